package config

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"
)

var (
	regionID = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)+$`)
	plainID  = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	topicURN = regexp.MustCompile(`^urn:smn:[a-z0-9-]+:[A-Za-z0-9]+:[A-Za-z0-9_-]+$`)

	// functionName is a FunctionGraph URN, a Lambda ARN, or a Lambda function's name with an optional version or alias.
	functionName = regexp.MustCompile(`^(urn:fss:[a-z0-9-]+:[A-Za-z0-9]+:function:[^:\s]+:[^:\s]+(:[^:\s]+)?` +
		`|arn:aws[a-z-]*:lambda:[a-z0-9-]+:[0-9]{12}:function:[A-Za-z0-9_-]+(:[A-Za-z0-9$_-]+)?` +
		`|[A-Za-z0-9_-]{1,64}(:[A-Za-z0-9$_-]+)?)$`)
)

const defaultRateLimit = 25

// reader reads the variables of one function and gathers what is wrong with them.
type reader struct {
	lookup  Lookup
	names   []string
	assets  bool     // the function cannot do without DataArts
	secrets []string // values that no fault may repeat
	faults  Faults
}

func newReader(function Function, lookup Lookup) *reader {
	return &reader{lookup: lookup, names: Names(function), assets: function != Console}
}

func (r *reader) reads(name string) bool { return slices.Contains(r.names, name) }

// text returns the value of a variable without blanks around it; empty when it is not set or not for this function.
func (r *reader) text(name string) string {
	if !r.reads(name) {
		return ""
	}
	return r.platform(name)
}

// platform returns the value of a variable that the platform sets.
func (r *reader) platform(name string) string {
	value, _ := r.lookup(name)
	return strings.TrimSpace(value)
}

func (r *reader) missing(name, want string) {
	if !slices.ContainsFunc(r.faults, func(f Fault) bool { return f.Variable == name }) {
		r.faults = append(r.faults, Fault{Variable: name, Want: want})
	}
}

func (r *reader) malformed(name, value, want string) {
	r.faults = append(r.faults, Fault{Variable: name, Holds: r.presentable(value), Want: want})
}

// because is malformed with a reason. The reason may repeat a part of the value, so it is left out where the value is not shown.
func (r *reader) because(name, value, want string, reason error) {
	if r.presentable(value) != redacted {
		want += " (" + reason.Error() + ")"
	}
	r.malformed(name, value, want)
}

// presentable is a value as an error may repeat it. Keys end up in the wrong variable now and then, and in URLs.
func (r *reader) presentable(value string) string {
	if strings.Contains(strings.ToLower(value), identityName) || strings.Contains(value, "://") && strings.Contains(value, "@") {
		return redacted
	}
	for _, secret := range r.secrets {
		// A real key is long. A short one, as in a test set-up, would be found in all kinds of words.
		if value == secret || len(secret) >= 8 && strings.Contains(value, secret) {
			return redacted
		}
	}
	return shorten(value)
}

func (r *reader) pattern(name string, pattern *regexp.Regexp, want string) string {
	value := r.text(name)
	if value == "" {
		return ""
	}
	if !pattern.MatchString(value) {
		r.malformed(name, value, want)
	}
	return value
}

func (r *reader) projectID() string {
	const name, want = "DATAARTS_PROJECT_ID", "a project id (1 to 64 of A-Z, a-z, 0-9, '_' and '-')"
	if value := r.pattern(name, plainID, want); value != "" {
		return value
	}
	value := r.platform("RUNTIME_PROJECT_ID")
	if value == "" && r.assets {
		r.missing(name, want)
	}
	return value
}

func (r *reader) workspaces(c *Config) {
	const name = "DATAARTS_WORKSPACES"
	const want = "workspace ids with commas between them, or * for every workspace of the instance"
	c.InstanceID = r.pattern("DATAARTS_INSTANCE_ID", plainID, "the id of a DataArts Studio instance")
	value := r.text(name)
	switch {
	case value == "" && c.Function == Backup:
		r.missing(name, want)
	case value == "*":
		c.AllWorkspaces = true
		if c.InstanceID == "" && c.Function == Backup {
			r.missing("DATAARTS_INSTANCE_ID", "the id of the DataArts Studio instance, because "+name+" is *")
		}
	case value != "":
		for part := range strings.SplitSeq(value, ",") {
			id := strings.TrimSpace(part)
			if CheckWorkspaceID(id) != nil || slices.Contains(c.Workspaces, id) {
				r.malformed(name, value, want+", each of them once")
				return
			}
			c.Workspaces = append(c.Workspaces, id)
		}
	}
}

func (r *reader) location(c *Config) {
	const name = "BACKUP_LOCATION"
	const want = "obs://bucket or obs://bucket/folder, with " + placeholder + " in the folder where each workspace has its own"
	value := r.text(name)
	if value == "" {
		r.missing(name, want)
		return
	}
	location, err := ParseLocation(value)
	switch {
	case err != nil:
		r.because(name, value, want, err)
	case c.Function == Backup && (c.AllWorkspaces || len(c.Workspaces) > 1) && !location.PerWorkspace():
		r.malformed(name, value, "a folder with "+placeholder+" in it, because several workspaces are backed up")
	}
	c.Location = location
}

func (r *reader) backupFunction() string {
	return r.pattern("BACKUP_FUNCTION", functionName,
		"the URN of a FunctionGraph function, or the name or ARN of a Lambda function")
}

func (r *reader) timeZone() *time.Location {
	const name = "BACKUP_TIME_ZONE"
	value := r.text(name)
	if value == "" {
		return nil
	}
	zone, err := time.LoadLocation(value)
	if err != nil || zone == time.Local { // "Local" is a zone to Go, but another one on every machine
		r.malformed(name, value, "a time zone of the IANA database, e.g. Europe/Berlin")
		return nil
	}
	return zone
}

func (r *reader) keep() Keep {
	const name = "BACKUP_KEEP"
	value := r.text(name)
	if value == "" {
		return Keep{}
	}
	keep, err := ParseKeep(value)
	if err != nil {
		r.because(name, value, "rules such as daily=30,weekly=8,monthly=12,yearly=3", err)
	}
	return keep
}

func (r *reader) recipients() []string {
	const name = "BACKUP_RECIPIENTS"
	value := r.text(name)
	if value == "" {
		return nil
	}
	var recipients []string
	for part := range strings.SplitSeq(value, ",") {
		key := strings.TrimSpace(part)
		if !isAgeRecipient(key) {
			r.malformed(name, key, "age public keys (age1...) with commas between them")
			continue
		}
		recipients = append(recipients, key)
	}
	return recipients
}

func (r *reader) identity(to *Secret) {
	const name = "RESTORE_IDENTITY"
	value := r.text(name)
	if value == "" {
		return
	}
	r.secrets = append(r.secrets, value)
	if !isAgeIdentity(value) {
		r.faults = append(r.faults, Fault{Variable: name, Holds: redacted, Want: "an age private key (AGE-SECRET-KEY-1...)"})
	}
	*to = NewSecret(value)
}

func (r *reader) rateLimit() float64 {
	const name = "DATAARTS_RATE_LIMIT"
	value := r.text(name)
	if value == "" {
		return defaultRateLimit
	}
	rate, err := strconv.ParseFloat(value, 64)
	if err != nil || math.IsInf(rate, 0) || !(rate > 0) { // not a number is not above 0 either
		r.malformed(name, value, "a number of requests per second above 0, e.g. 25")
	}
	return rate
}

func (r *reader) logLevel() zerolog.Level {
	const name = "LOG_LEVEL"
	value := r.text(name)
	if value == "" {
		return zerolog.InfoLevel
	}
	// zerolog takes numbers too; they are refused because nobody remembers them.
	levels := []string{"trace", "debug", "info", "warn", "error", "fatal", "panic", "disabled"}
	if !slices.Contains(levels, strings.ToLower(value)) {
		r.malformed(name, value, "one of "+strings.Join(levels, ", "))
		return zerolog.InfoLevel
	}
	level, err := zerolog.ParseLevel(strings.ToLower(value))
	if err != nil {
		r.malformed(name, value, "one of "+strings.Join(levels, ", "))
	}
	return level
}
