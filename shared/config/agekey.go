package config

import (
	"strings"

	"filippo.io/age"
)

// identityName is how an age private key begins, in small letters.
const identityName = "age-secret-key-"

// isAgeRecipient tells whether text is an age public key, X25519. A mistyped one must not pass: nobody could read what is encrypted to it. The
// library's error is not passed on, because it repeats the text.
func isAgeRecipient(text string) bool {
	_, err := age.ParseX25519Recipient(text)
	return err == nil && text == strings.ToLower(text)
}

// isAgeIdentity tells whether text is an age private key, X25519.
func isAgeIdentity(text string) bool {
	_, err := age.ParseX25519Identity(text)
	return err == nil && text == strings.ToUpper(text)
}
