package config

import (
	"errors"
	"strings"
)

// The two kinds of age key as text: bech32 (BIP 173, with its check digits) of 32 bytes under these names, the private one in
// capitals (documented in age's format specification, C2SP age.md).
const (
	recipientName = "age"
	identityName  = "age-secret-key-"
)

// checkAgeKey returns an error unless text is an age key of that name. A mistyped recipient must not pass: nobody could read what is
// encrypted to it. The error never holds any part of the text.
func checkAgeKey(text, name string) error {
	const alphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
	const dataLength = 52 + 6 // 32 bytes in groups of five bits, and the check digits
	data, found := strings.CutPrefix(strings.ToLower(text), name+"1")
	if !found || len(data) != dataLength {
		return errors.New("not an age key")
	}
	checksum := uint32(1)
	for _, c := range []byte(name) {
		checksum = bech32Step(checksum, c>>5)
	}
	checksum = bech32Step(checksum, 0)
	for _, c := range []byte(name) {
		checksum = bech32Step(checksum, c&31)
	}
	for _, c := range []byte(data) {
		digit := strings.IndexByte(alphabet, c)
		if digit < 0 {
			return errors.New("not an age key")
		}
		checksum = bech32Step(checksum, byte(digit))
	}
	if checksum != 1 {
		return errors.New("mistyped age key")
	}
	return nil
}

// bech32Step feeds five bits into bech32's checksum.
func bech32Step(checksum uint32, bits byte) uint32 {
	top := checksum >> 25
	checksum = (checksum&0x1ffffff)<<5 ^ uint32(bits)
	for i, generator := range [...]uint32{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3} {
		if top>>i&1 == 1 {
			checksum ^= generator
		}
	}
	return checksum
}
