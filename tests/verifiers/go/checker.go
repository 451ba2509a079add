// A checker made of Go's golang.org/x/mod/sumdb/{tlog,note} and its standard library, which share
// no line with Lucarne. It reads a JSON list of cases and prints a list of verdicts: an empty text
// for what it accepts, else why it refuses.
package main

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type testCase struct {
	Kind    string            `json:"kind"`
	Entries []string          `json:"entries"`
	Index   int64             `json:"index"`
	Old     int64             `json:"old"`
	Size    int64             `json:"size"`
	Leaf    string            `json:"leaf"`
	OldRoot string            `json:"old_root"`
	Root    string            `json:"root"`
	Path    []string          `json:"path"`
	Keys    []string          `json:"keys"`
	Text    string            `json:"text"`
	Tiles   map[string]string `json:"tiles"`
}

func main() {
	var cases []testCase
	if err := json.NewDecoder(os.Stdin).Decode(&cases); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	verdicts := make([]string, len(cases))
	for i := range cases {
		if err := judge(&cases[i]); err != nil {
			verdicts[i] = err.Error()
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(verdicts); err != nil {
		os.Exit(2)
	}
}

func judge(c *testCase) error {
	switch c.Kind {
	case "root":
		return judgeRoot(c)
	case "inclusion":
		return judgeInclusion(c)
	case "consistency":
		return judgeConsistency(c)
	case "note":
		_, err := openCheckpoint(c.Text, c.Keys)
		return err
	case "tlog-proof":
		return judgeProofFile(c)
	case "tiles":
		return judgeTiles(c)
	}
	return errors.New("unknown kind " + c.Kind)
}

func hash(text string) (tlog.Hash, error) {
	var h tlog.Hash
	bytes, err := hex.DecodeString(text)
	if err != nil || len(bytes) != tlog.HashSize {
		return h, errors.New("not a hash: " + text)
	}
	copy(h[:], bytes)
	return h, nil
}

func hashes(texts []string) ([]tlog.Hash, error) {
	var out []tlog.Hash
	for _, text := range texts {
		h, err := hash(text)
		if err != nil {
			return nil, err
		}
		out = append(out, h)
	}
	return out, nil
}

func judgeRoot(c *testCase) error {
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			out[i] = stored[index]
		}
		return out, nil
	})
	for i, text := range c.Entries {
		entry, err := hex.DecodeString(text)
		if err != nil {
			return err
		}
		more, err := tlog.StoredHashes(int64(i), entry, reader)
		if err != nil {
			return err
		}
		stored = append(stored, more...)
	}
	found, err := tlog.TreeHash(int64(len(c.Entries)), reader)
	if err != nil {
		return err
	}
	if hex.EncodeToString(found[:]) != c.Root {
		return fmt.Errorf("root is %x", found[:])
	}
	return nil
}

func judgeInclusion(c *testCase) error {
	path, err := hashes(c.Path)
	if err != nil {
		return err
	}
	root, err := hash(c.Root)
	if err != nil {
		return err
	}
	leaf, err := hash(c.Leaf)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(tlog.RecordProof(path), c.Size, root, c.Index, leaf)
}

func judgeConsistency(c *testCase) error {
	path, err := hashes(c.Path)
	if err != nil {
		return err
	}
	root, err := hash(c.Root)
	if err != nil {
		return err
	}
	old, err := hash(c.OldRoot)
	if err != nil {
		return err
	}
	return tlog.CheckTree(tlog.TreeProof(path), c.Size, root, c.Old, old)
}

// ecdsaVerifier is type 0x02 of signed notes, which x/mod leaves to others.
type ecdsaVerifier struct {
	name string
	hash uint32
	key  *ecdsa.PublicKey
}

func (v *ecdsaVerifier) Name() string    { return v.name }
func (v *ecdsaVerifier) KeyHash() uint32 { return v.hash }
func (v *ecdsaVerifier) Verify(text, signature []byte) bool {
	digest := sha256.Sum256(text)
	return ecdsa.VerifyASN1(v.key, digest[:], signature)
}

func verifier(vkey string) (note.Verifier, error) {
	name, rest, _ := strings.Cut(vkey, "+")
	id, material, _ := strings.Cut(rest, "+")
	bytes, err := base64.StdEncoding.DecodeString(material)
	if err != nil {
		return nil, err
	}
	if len(bytes) > 0 && (bytes[0] == 4 || bytes[0] == 6) {
		return newCosigner(name, id, bytes)
	}
	if len(bytes) == 0 || bytes[0] != 2 {
		return note.NewVerifier(vkey)
	}
	digest := sha256.Sum256(bytes[1:])
	hash := binary.BigEndian.Uint32(digest[:4])
	if id != fmt.Sprintf("%08x", hash) {
		return nil, errors.New("key id is not that of the key")
	}
	key, err := x509.ParsePKIXPublicKey(bytes[1:])
	if err != nil {
		return nil, err
	}
	public, ok := key.(*ecdsa.PublicKey)
	if !ok {
		return nil, errors.New("not an ECDSA key")
	}
	return &ecdsaVerifier{name, hash, public}, nil
}

type checkpoint struct {
	origin string
	size   int64
	root   tlog.Hash
}

// openCheckpoint wants a good signature of each of the keys.
func openCheckpoint(text string, vkeys []string) (*checkpoint, error) {
	var list []note.Verifier
	for _, vkey := range vkeys {
		v, err := verifier(vkey)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	opened, err := note.Open([]byte(text), note.VerifierList(list...))
	if err != nil {
		return nil, err
	}
	if len(opened.Sigs) != len(vkeys) {
		return nil, fmt.Errorf("%d of %d keys have signed", len(opened.Sigs), len(vkeys))
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[3] != "" || lines[0] != list[0].Name() {
		return nil, errors.New("not a checkpoint of this log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || strconv.FormatInt(size, 10) != lines[1] {
		return nil, errors.New("not a size")
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		return nil, err
	}
	return &checkpoint{lines[0], size, root}, nil
}

func judgeProofFile(c *testCase) error {
	head, tail, ok := strings.Cut(c.Text, "\n\n")
	lines := strings.Split(head, "\n")
	if !ok || lines[0] != "c2sp.org/tlog-proof@v1" {
		return errors.New("not a tlog-proof")
	}
	lines = lines[1:]
	if len(lines) > 0 && strings.HasPrefix(lines[0], "extra ") {
		lines = lines[1:]
	}
	if len(lines) == 0 || !strings.HasPrefix(lines[0], "index ") {
		return errors.New("no index")
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[0], "index "), 10, 64)
	if err != nil {
		return err
	}
	var path tlog.RecordProof
	for _, line := range lines[1:] {
		h, err := tlog.ParseHash(line)
		if err != nil {
			return err
		}
		path = append(path, h)
	}
	opened, err := openCheckpoint(tail, c.Keys)
	if err != nil {
		return err
	}
	leaf, err := hash(c.Leaf)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(path, opened.size, opened.root, index, leaf)
}

// tileReader serves tiles by their C2SP path, which has no height in it.
type tileReader map[string]string

func (r tileReader) Height() int                     { return 8 }
func (r tileReader) SaveTiles([]tlog.Tile, [][]byte) {}
func (r tileReader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var out [][]byte
	for _, tile := range tiles {
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		bytes, err := hex.DecodeString(r[path])
		if err != nil || len(bytes) == 0 {
			return nil, errors.New("no tile " + path)
		}
		out = append(out, bytes)
	}
	return out, nil
}

// judgeTiles proves every entry of the bundles by the hash tiles alone.
func judgeTiles(c *testCase) error {
	root, err := hash(c.Root)
	if err != nil {
		return err
	}
	tree := tlog.Tree{N: c.Size, Hash: root}
	reader := tlog.TileHashReader(tree, tileReader(c.Tiles))
	for first := int64(0); first < c.Size; first += 256 {
		width := min(c.Size-first, 256)
		tile := tlog.Tile{H: 8, L: 0, N: first / 256, W: int(width)}
		path := strings.Replace(tile.Path(), "tile/8/0/", "tile/entries/", 1)
		bundle, err := hex.DecodeString(c.Tiles[path])
		if err != nil || len(bundle) == 0 {
			return errors.New("no bundle " + path)
		}
		for i := first; i < first+width; i++ {
			if len(bundle) < 2 || len(bundle)-2 < int(binary.BigEndian.Uint16(bundle)) {
				return errors.New("bundle ends early: " + path)
			}
			length := int(binary.BigEndian.Uint16(bundle))
			leaf := tlog.RecordHash(bundle[2 : 2+length])
			bundle = bundle[2+length:]
			proof, err := tlog.ProveRecord(c.Size, i, reader)
			if err != nil {
				return err
			}
			if err := tlog.CheckRecord(proof, c.Size, root, i, leaf); err != nil {
				return err
			}
		}
		if len(bundle) != 0 {
			return errors.New("bundle goes on: " + path)
		}
	}
	return nil
}
