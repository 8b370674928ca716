package config

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Fault is one variable that is missing or malformed.
type Fault struct {
	Variable string
	Holds    string // what the variable holds, without secrets and shortened; empty: it is not set
	Want     string // what it should hold
}

// Error is the fault in one clause.
func (f Fault) Error() string {
	switch f.Holds {
	case "":
		return fmt.Sprintf("%s is not set: want %s", f.Variable, f.Want)
	case redacted:
		return fmt.Sprintf("%s holds %s: want %s", f.Variable, redacted, f.Want)
	}
	return fmt.Sprintf("%s holds %s: want %s", f.Variable, strconv.Quote(f.Holds), f.Want)
}

// Faults is everything that is wrong with the settings, in the order in which the variables are read.
type Faults []Fault

// Error lists all faults.
func (f Faults) Error() string {
	texts := make([]string, len(f))
	for i, fault := range f {
		texts[i] = fault.Error()
	}
	return "settings: " + strings.Join(texts, "; ")
}

// Unwrap gives the faults one by one, for errors.As.
func (f Faults) Unwrap() []error {
	errs := make([]error, len(f))
	for i, fault := range f {
		errs[i] = fault
	}
	return errs
}

// shown is as much of a value as an error repeats, in runes.
const shown = 80

func shorten(value string) string {
	if utf8.RuneCountInString(value) <= shown {
		return value
	}
	return string([]rune(value)[:shown]) + "…"
}
