"""The Service Utilization Summary in words: hours beside the target, the readings, what came after a review."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from ledger.answers.known import parked_words
from ledger.answers.names import Names
from ledger.answers.period import Span
from ledger.clock import from_text
from ledger.projections.utilisation import Review
from ledger.projections.utilisation_summary import Restated, Summary, WeekSummary
from ledger.tracing.words import when


def hours(minutes: float) -> str:
    """Minutes as hours, to the hundredth: 99.75 h; the steps have them exactly."""
    return f"{minutes / 60:.2f} h"


@dataclass(frozen=True)
class Told:
    """How a review is told: on the agency's clock, and by name."""

    zone: ZoneInfo
    names: Names

    def review(self, review: Review) -> str:
        at = when(from_text(review.reviewed_at).astimezone(self.zone))
        return f"reviewed {at} ({self.zone.key}) by {self.names(review.reviewed_by)} at position {review.position}"


def months_text(span: Span, months: Sequence[Summary], parked: dict[str, str], told: Told, *, all_steps: bool) -> str:
    lines = [f"Service utilisation of {span.name}: {len(months)} staff members", *parked_words(parked)]
    for one in months:
        rating = one.adopted
        above = ", above band" if rating.above_band else ""
        lines += [
            f"\n{one.name}  {one.program or 'no program'}  {one.staff_id}",
            f"  {hours(one.billable_minutes)} billable of {hours(rating.target_minutes)} target, "
            f"{rating.days_worked:g} days worked: {rating.value}{above}",
            f"  units: {one.units}" + "".join(f", {code} {units}" for code, units in one.units_by_code.items()),
        ]
        if one.waiting_services:
            lines.append(f"  not counted, no signed note: {one.waiting_services} services, {one.waiting_minutes} min")
        lines.append("  week of      billable     target   days")
        lines += [
            f"  {at.week_of} {hours(at.billable_minutes):>10} {hours(at.target_minutes):>10} {at.days_worked:>6g}"
            for at in one.weeks
        ]
        lines += [f"  {words}" for words in one.adoptions]
        for reading in one.readings:
            mark = "adopted" if reading.adopted else "beside "
            lines.append(
                f"  {mark} {reading.value:9} {reading.measure}, {reading.ramp_reading}, {reading.floor_reading}: "
                f"floor {hours(reading.floor_minutes)}"
            )
            if reading.adopted or all_steps:
                lines += [f"    - {step}" for step in reading.steps]
        lines += _restated_lines(one.restated, told)
    return "\n".join(lines)


def weeks_text(weeks: Sequence[WeekSummary], parked: dict[str, str], told: Told) -> str:
    lines = [f"Service utilisation of a week: {len(weeks)} staff members", *parked_words(parked)]
    for one in weeks:
        week = one.week
        lines += [
            f"\n{one.name}  {one.program or 'no program'}  {one.staff_id}",
            f"  week of {week.week_of}: {hours(week.billable_minutes)} billable of {hours(week.target_minutes)} "
            f"target, {week.days_worked:g} days worked, {week.units} units",
        ]
        if one.waiting_services:
            lines.append(f"  not counted, no signed note: {one.waiting_services} services, {one.waiting_minutes} min")
        lines += [f"    - {step}" for step in week.steps]
        lines += _restated_lines(one.restated, told)
    return "\n".join(lines)


def _restated_lines(restated: Sequence[Restated], told: Told) -> list[str]:
    lines: list[str] = []
    for one in restated:
        review = one.review
        lines.append(
            f"  {told.review(review)}: {review.billable_minutes} min of {review.target_minutes}, {review.rating}"
        )
        if one.changed:
            lines.append(
                f"    restated: {one.billable_minutes_now} min of {one.target_minutes_now}, {one.rating_now} "
                f"(difference {one.difference_minutes:+d} min)"
            )
        lines += [
            f"    after the review: a service of {late.service_day}, {late.direct_minutes} min, "
            f"{'counted' if late.counted else 'not counted'} (position {late.last_position})"
            for late in one.late_entries
        ]
    return lines
