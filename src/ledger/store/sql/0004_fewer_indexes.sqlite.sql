-- Each index is one more page written at each commit. A chart's events have the chart's id as their key, so the index by
-- key finds them; and recorded_at never goes back, so a moment's position is found by halving.
DROP INDEX events_chart;
--;;
DROP INDEX events_recorded;
