package config

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Lookup returns the value of an environment variable, and whether it is set. os.LookupEnv is one.
type Lookup func(name string) (value string, set bool)

// Environment is the lookup order of the functions: the process environment first, then the JSON object in RUNTIME_USERDATA,
// where FunctionGraph keeps a function's user data. Variables that the platforms set by themselves are never taken from the user data.
//
// A RUNTIME_USERDATA that is not a JSON object serves nothing here and is a fault in Load.
func Environment(process Lookup) Lookup {
	raw, _ := process(userDataName)
	data, _ := parseUserData(raw)
	return func(name string) (string, bool) {
		if value, set := process(name); set && strings.TrimSpace(value) != "" {
			return value, true
		}
		if strings.HasPrefix(name, "RUNTIME_") || strings.HasPrefix(name, "AWS_") {
			return "", false
		}
		value, set := data[name]
		return value, set
	}
}

const userDataName = "RUNTIME_USERDATA"

// parseUserData reads the user data of a function. FunctionGraph documents text values only; numbers and switches are taken as
// they are written, so that hand-made user data means what it seems to mean.
func parseUserData(raw string) (map[string]string, error) {
	if strings.TrimSpace(raw) == "" {
		return nil, nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(raw), &members); err != nil {
		return nil, fmt.Errorf("parse %s: %w", userDataName, err)
	}
	data := make(map[string]string, len(members))
	for name, value := range members {
		switch text := ""; {
		case json.Unmarshal(value, &text) == nil: // null leaves the text empty, which counts as not set
			data[name] = text
		default:
			data[name] = string(value)
		}
	}
	return data, nil
}

// userData reports user data that cannot be read. Its text is not shown, since it may hold keys.
func (r *reader) userData() {
	raw, _ := r.lookup(userDataName)
	if _, err := parseUserData(raw); err != nil {
		r.faults = append(r.faults, Fault{Variable: userDataName, Holds: redacted, Want: `a JSON object such as {"LOG_LEVEL":"info"}`})
	}
}
