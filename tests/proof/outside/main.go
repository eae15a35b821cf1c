// An outsider's look at the log: what this project writes, read with code that this project did not write.
//
// Go's own libraries of transparency logs (golang.org/x/mod/sumdb) check checkpoints, tiles, inclusion and consistency;
// those of transparency-dev check the same proofs a second time. Results go to standard output as JSON.
package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	commands := map[string]func([]string) (any, error){
		"log":         readLog,
		"inclusion":   inclusion,
		"consistency": consistency,
		"cosignature": cosignature,
		"sign":        sign,
	}
	command, found := commands[os.Args[1]]
	if !found {
		fail(fmt.Errorf("no command %s", os.Args[1]))
	}
	result, err := command(os.Args[2:])
	if err != nil {
		fail(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// open checks a checkpoint's signature and gives the tree that it tells of.
func open(signed []byte, vkey string) (tlog.Tree, error) {
	verifier, err := note.NewVerifier(strings.TrimSpace(vkey))
	if err != nil {
		return tlog.Tree{}, err
	}
	opened, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() || lines[3] != "" {
		return tlog.Tree{}, fmt.Errorf("not a checkpoint of %s", verifier.Name())
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: root}, err
}

// folder reads tiles below a folder, as c2sp.org/tlog-tiles names them: Go's path without the tile's height.
type folder struct {
	where string
	read  map[string][]byte
}

func (f folder) Height() int                         { return 8 }
func (f folder) SaveTiles(_ []tlog.Tile, _ [][]byte) {}
func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range tiles {
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		if _, read := f.read[path]; !read {
			data, err := os.ReadFile(filepath.Join(f.where, path))
			if err != nil {
				return nil, err
			}
			f.read[path] = data
		}
		found = append(found, f.read[path])
	}
	return found, nil
}

// readLog checks a whole exported log: every tile, every entry, an inclusion proof of each, and consistency from many sizes.
func readLog(arguments []string) (any, error) {
	where := arguments[0]
	signed, err := os.ReadFile(filepath.Join(where, "checkpoint"))
	if err != nil {
		return nil, err
	}
	vkey, err := os.ReadFile(filepath.Join(where, "vkey"))
	if err != nil {
		return nil, err
	}
	tree, err := open(signed, string(vkey))
	if err != nil {
		return nil, err
	}
	// This reader checks each tile that it is given against the root before it uses it.
	hashes := tlog.TileHashReader(tree, folder{where, map[string][]byte{}})
	entries, included := int64(0), 0
	for number := int64(0); number*256 < tree.N; number++ {
		width := 256
		if rest := tree.N - number*256; rest < 256 {
			width = int(rest)
		}
		tile := tlog.Tile{H: 8, L: -1, N: number, W: width}
		path := strings.Replace(tile.Path(), "tile/8/data/", "tile/entries/", 1)
		bundle, err := os.ReadFile(filepath.Join(where, path))
		if err != nil {
			return nil, err
		}
		for len(bundle) > 0 {
			length := int(binary.BigEndian.Uint16(bundle))
			entry := bundle[2 : 2+length]
			bundle = bundle[2+length:]
			leaf := tlog.RecordHash(entry)
			stored, err := hashes.ReadHashes([]int64{tlog.StoredHashIndex(0, entries)})
			if err != nil {
				return nil, err
			}
			if stored[0] != leaf {
				return nil, fmt.Errorf("entry %d does not hash to its leaf", entries)
			}
			if entries%17 == 0 || tree.N-entries <= 3 {
				if err := includes(tree, entries, leaf, hashes); err != nil {
					return nil, fmt.Errorf("entry %d: %w", entries, err)
				}
				included++
			}
			entries++
		}
	}
	if entries != tree.N {
		return nil, fmt.Errorf("%d entries, the checkpoint has %d", entries, tree.N)
	}
	consistent := 0
	step := tree.N/64 + 1
	for size := int64(1); size <= tree.N; size += step {
		old, err := tlog.TreeHash(size, hashes)
		if err != nil {
			return nil, err
		}
		path, err := tlog.ProveTree(tree.N, size, hashes)
		if err != nil {
			return nil, err
		}
		if err := tlog.CheckTree(path, tree.N, tree.Hash, size, old); err != nil {
			return nil, err
		}
		consistent++
	}
	return map[string]any{
		"size": tree.N, "root": hex.EncodeToString(tree.Hash[:]), "entries": entries,
		"included": included, "consistent": consistent,
	}, nil
}

func includes(tree tlog.Tree, index int64, leaf tlog.Hash, hashes tlog.HashReader) error {
	path, err := tlog.ProveRecord(tree.N, index, hashes)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(path, tree.N, tree.Hash, index, leaf)
}

// inclusion checks a proof in the form of c2sp.org/tlog-proof: FILE VKEY LEAF (in hex).
func inclusion(arguments []string) (any, error) {
	whole, err := os.ReadFile(arguments[0])
	if err != nil {
		return nil, err
	}
	head, signed, found := bytes.Cut(whole, []byte("\n\n"))
	if !found {
		return nil, fmt.Errorf("no checkpoint in the proof")
	}
	lines := strings.Split(string(head), "\n")
	if lines[0] != "c2sp.org/tlog-proof@v1" {
		return nil, fmt.Errorf("not a proof: %s", lines[0])
	}
	lines = lines[1:]
	if strings.HasPrefix(lines[0], "extra ") {
		lines = lines[1:]
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[0], "index "), 10, 64)
	if err != nil {
		return nil, err
	}
	path, raw, err := readHashes(lines[1:])
	if err != nil {
		return nil, err
	}
	tree, err := open(signed, arguments[1])
	if err != nil {
		return nil, err
	}
	decoded, err := hex.DecodeString(arguments[2])
	if err != nil {
		return nil, err
	}
	var leaf tlog.Hash
	copy(leaf[:], decoded)
	if err := tlog.CheckRecord(tlog.RecordProof(path), tree.N, tree.Hash, index, leaf); err != nil {
		return nil, err
	}
	hasher := rfc6962.DefaultHasher
	if err := proof.VerifyInclusion(hasher, uint64(index), uint64(tree.N), leaf[:], raw, tree.Hash[:]); err != nil {
		return nil, err
	}
	return map[string]any{"index": index, "size": tree.N}, nil
}

// consistency checks a proof as it is sent to a witness (c2sp.org/tlog-witness): FILE OLD-CHECKPOINT VKEY.
func consistency(arguments []string) (any, error) {
	whole, err := os.ReadFile(arguments[0])
	if err != nil {
		return nil, err
	}
	before, err := os.ReadFile(arguments[1])
	if err != nil {
		return nil, err
	}
	head, signed, found := bytes.Cut(whole, []byte("\n\n"))
	if !found {
		return nil, fmt.Errorf("no checkpoint in the proof")
	}
	lines := strings.Split(string(head), "\n")
	path, raw, err := readHashes(lines[1:])
	if err != nil {
		return nil, err
	}
	old, err := open(before, arguments[2])
	if err != nil {
		return nil, err
	}
	if lines[0] != fmt.Sprintf("old %d", old.N) {
		return nil, fmt.Errorf("the proof begins at another size: %s", lines[0])
	}
	tree, err := open(signed, arguments[2])
	if err != nil {
		return nil, err
	}
	if err := tlog.CheckTree(path, tree.N, tree.Hash, old.N, old.Hash); err != nil {
		return nil, err
	}
	hasher := rfc6962.DefaultHasher
	err = proof.VerifyConsistency(hasher, uint64(old.N), uint64(tree.N), raw, old.Hash[:], tree.Hash[:])
	return map[string]any{"old": old.N, "size": tree.N}, err
}

func readHashes(lines []string) (tlog.TreeProof, [][]byte, error) {
	var path tlog.TreeProof
	var raw [][]byte
	for _, line := range lines {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return nil, nil, err
		}
		path = append(path, hash)
		raw = append(raw, append([]byte(nil), hash[:]...))
	}
	return path, raw, nil
}

// cosignature checks a witness's signature (c2sp.org/tlog-cosignature, Ed25519) with nothing but ed25519: NOTE VKEY.
func cosignature(arguments []string) (any, error) {
	whole, err := os.ReadFile(arguments[0])
	if err != nil {
		return nil, err
	}
	parts := strings.SplitN(strings.TrimSpace(arguments[1]), "+", 3)
	key, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil {
		return nil, err
	}
	if len(key) != 33 || key[0] != 4 {
		return nil, fmt.Errorf("not a witness's key")
	}
	at := bytes.LastIndex(whole, []byte("\n\n"))
	text, signatures := whole[:at+1], string(whole[at+2:])
	for _, line := range strings.Split(signatures, "\n") {
		fields := strings.Split(line, " ")
		if len(fields) != 3 || fields[1] != parts[0] {
			continue
		}
		raw, err := base64.StdEncoding.DecodeString(fields[2])
		if err != nil {
			return nil, err
		}
		if hex.EncodeToString(raw[:4]) != parts[1] || len(raw) != 76 {
			continue
		}
		moment := binary.BigEndian.Uint64(raw[4:12])
		message := append([]byte(fmt.Sprintf("cosignature/v1\ntime %d\n", moment)), text...)
		if !ed25519.Verify(ed25519.PublicKey(key[1:]), message, raw[12:]) {
			return nil, fmt.Errorf("the cosignature does not fit")
		}
		return map[string]any{"time": moment}, nil
	}
	return nil, fmt.Errorf("no cosignature of %s", parts[0])
}

// sign signs a text with a key file of ours: KEY-FILE TEXT. That its form is Go's is so shown by Go.
func sign(arguments []string) (any, error) {
	key, err := os.ReadFile(arguments[0])
	if err != nil {
		return nil, err
	}
	signer, err := note.NewSigner(strings.TrimSpace(string(key)))
	if err != nil {
		return nil, err
	}
	signed, err := note.Sign(&note.Note{Text: arguments[1]}, signer)
	return map[string]any{"note": string(signed)}, err
}
