package config

import (
	"fmt"
	"io"
)

const redacted = "[redacted]"

// Secret is text that is never printed: fmt, JSON and text encoders all get "[redacted]", or nothing where it is not set. The zero
// value is not set.
type Secret struct {
	// value is a pointer because fmt calls no methods while it complains about a wrong verb, but does not follow this one then.
	value *string
}

// NewSecret makes a secret of a text.
func NewSecret(value string) Secret { return Secret{&value} }

// Reveal returns the text itself.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsSet tells whether there is any text.
func (s Secret) IsSet() bool { return s.Reveal() != "" }

// String returns "[redacted]", or nothing.
func (s Secret) String() string {
	if !s.IsSet() {
		return ""
	}
	return redacted
}

// Format prints the same for every verb; %#v and %x would show the text otherwise.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText serves encoding/json and every other encoder that asks for text.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Credentials are an access key pair, with a security token if they are temporary. The fields are those of the credentials of
// other packages, so that one type converts to the other, but these are never printed.
type Credentials struct {
	AccessKey     string
	SecretKey     string
	SecurityToken string // empty for permanent keys
}

// String returns "[redacted]", or nothing for credentials without any field set.
func (c Credentials) String() string {
	if c == (Credentials{}) {
		return ""
	}
	return redacted
}

// Format prints the same for every verb.
func (c Credentials) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// MarshalText serves encoding/json and every other encoder that asks for text.
func (c Credentials) MarshalText() ([]byte, error) { return []byte(c.String()), nil }
