// Cosignatures, types 0x04 and 0x06 of signed notes, after the text of c2sp.org/tlog-cosignature.
package main

import (
	"crypto/ed25519"
	"crypto/mldsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// cosigner checks what one key has said of a checkpoint, whenever that was.
type cosigner struct {
	name   string
	hash   uint32
	verify func(text string, time uint64, signature []byte) bool
}

func (c *cosigner) Name() string    { return c.name }
func (c *cosigner) KeyHash() uint32 { return c.hash }
func (c *cosigner) Verify(text, signature []byte) bool {
	if len(signature) < 8 {
		return false
	}
	time := binary.BigEndian.Uint64(signature)
	return time>>63 == 0 && c.verify(string(text), time, signature[8:])
}

// newCosigner reads the key material of a verifier key, type byte first.
func newCosigner(name, id string, material []byte) (note.Verifier, error) {
	digest := sha256.Sum256(append([]byte(name+"\n"), material...))
	c := &cosigner{name: name, hash: binary.BigEndian.Uint32(digest[:4])}
	if id != fmt.Sprintf("%08x", c.hash) {
		return nil, errors.New("key id is not that of the key")
	}
	key := material[1:]
	if material[0] == 4 {
		if len(key) != ed25519.PublicKeySize {
			return nil, errors.New("not an Ed25519 key")
		}
		c.verify = func(text string, time uint64, signature []byte) bool {
			message := "cosignature/v1\ntime " + strconv.FormatUint(time, 10) + "\n" + text
			return ed25519.Verify(key, []byte(message), signature)
		}
		return c, nil
	}
	public, err := mldsa.NewPublicKey(mldsa.MLDSA44(), key)
	if err != nil {
		return nil, err
	}
	c.verify = func(text string, time uint64, signature []byte) bool {
		message, err := treeMessage(name, time, text)
		return err == nil && mldsa.Verify(public, message, signature, nil) == nil
	}
	return c, nil
}

// treeMessage is what ML-DSA-44 signs of a checkpoint: its tree as a subtree that begins at 0.
func treeMessage(name string, time uint64, text string) ([]byte, error) {
	lines := strings.Split(text, "\n")
	if len(lines) < 4 || len(name) > 255 || len(lines[0]) > 255 {
		return nil, errors.New("not a checkpoint")
	}
	size, err := strconv.ParseUint(lines[1], 10, 64)
	if err != nil {
		return nil, err
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != sha256.Size {
		return nil, errors.New("not a root")
	}
	message := append([]byte("subtree/v1\n\x00"), byte(len(name)))
	message = append(message, name...)
	message = binary.BigEndian.AppendUint64(message, time)
	message = append(message, byte(len(lines[0])))
	message = append(message, lines[0]...)
	message = binary.BigEndian.AppendUint64(message, 0)
	message = binary.BigEndian.AppendUint64(message, size)
	return append(message, root...), nil
}
