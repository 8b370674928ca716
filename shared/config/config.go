// Package config turns environment variables into typed settings.
//
// It guarantees three things. Every fault is reported, all of them at once: an operator corrects the configuration in one
// round. A fault names the variable, what it holds and what it should hold. And the value of a key or of an identity is never
// printed, neither in an error nor by formatting or encoding the settings.
//
// The package also embeds the time zone database, because the machines of function platforms often have none.
package config

import (
	"time"
	_ "time/tzdata" // BACKUP_TIME_ZONE must work where the machine has no zone files.

	"github.com/rs/zerolog"
)

// Function is one of the functions of this project. Each reads only the variables it needs; see [Names].
type Function string

// The functions.
const (
	Backup  Function = "backup"
	Restore Function = "restore"
	Console Function = "console"
)

// Config holds the settings of one function. It holds nothing secret in plain sight: it can be logged.
type Config struct {
	Function Function

	Region     string // DATAARTS_REGION
	ProjectID  string // DATAARTS_PROJECT_ID, else RUNTIME_PROJECT_ID; may be empty for the console
	InstanceID string // DATAARTS_INSTANCE_ID; never empty for a backup of all workspaces

	// Workspaces are the ids in DATAARTS_WORKSPACES, in their order. It is empty when AllWorkspaces is set, and may be empty
	// for functions other than the backup.
	Workspaces    []string
	AllWorkspaces bool // DATAARTS_WORKSPACES is "*": every workspace of the instance

	// Endpoint is DATAARTS_ENDPOINT: base URL of the V1 API, without a slash at its end. It is empty only for the console, where none is set nor known
	// for the region.
	Endpoint   string
	V2Endpoint string  // DATAARTS_V2_ENDPOINT: the same of the V2 API
	RateLimit  float64 // DATAARTS_RATE_LIMIT: requests per second, above 0

	OBSEndpoint string   // OBS_ENDPOINT: base URL without a slash at its end
	Location    Location // BACKUP_LOCATION

	BackupFunction        string // BACKUP_FUNCTION: URN, ARN or name; may be empty
	Self                  Self   // RUNTIME_PACKAGE, RUNTIME_FUNC_NAME, RUNTIME_FUNC_VERSION: what runs, where that is FunctionGraph
	FunctionGraphEndpoint string // FUNCTIONGRAPH_ENDPOINT: base URL without a slash at its end; empty for the restore function
	AWS                   AWS    // the account and region that the console runs in, where that is Lambda

	TimeZone        *time.Location // BACKUP_TIME_ZONE; nil: the zone is that of the event's own time
	Keep            Keep           // BACKUP_KEEP; the zero value keeps everything
	Recipients      []string       // BACKUP_RECIPIENTS: age public keys; empty: no encryption
	RestoreIdentity Secret         // RESTORE_IDENTITY: an age private key; unset: encrypted backups cannot be read
	NotifyTopicURN  string         // NOTIFY_TOPIC_URN; empty: nobody is told
	SMNEndpoint     string         // SMN_ENDPOINT: base URL without a slash at its end; empty for the console

	LogLevel zerolog.Level // LOG_LEVEL

	// keys is a function because that is what no printer and no encoder looks into.
	keys func() keyring
}

// Options are what Load needs from other packages.
type Options struct {
	// DataArtsEndpoints returns the base URLs of DataArts Factory's V1 and V2 API in a region, and whether it knows the
	// region. Nil knows none, so DATAARTS_ENDPOINT and DATAARTS_V2_ENDPOINT have to be set.
	DataArtsEndpoints func(region string) (v1, v2 string, ok bool)
}

// Load reads the settings of a function. The error is a Faults with everything that is wrong.
//
// An empty variable, or one of blanks only, counts as not set: templates hand on optional parameters as empty text.
func Load(function Function, lookup Lookup, opts Options) (*Config, error) {
	r := newReader(function, lookup)
	if len(Names(function)) == 0 {
		return nil, Faults{{Variable: "function", Holds: string(function), Want: "backup, restore or console"}}
	}
	c := &Config{Function: function}
	r.userData()
	keys := r.keyring()
	c.keys = func() keyring { return keys }
	r.identity(&c.RestoreIdentity)

	c.Region = r.pattern("DATAARTS_REGION", regionID, "a region, e.g. eu-de")
	if c.Region == "" {
		r.missing("DATAARTS_REGION", "a region, e.g. eu-de")
	}
	c.ProjectID = r.projectID()
	r.workspaces(c)
	r.dataArts(c, opts)
	r.store(c)
	r.location(c)
	c.BackupFunction = r.backupFunction()
	if r.reads("FUNCTIONGRAPH_ENDPOINT") {
		c.FunctionGraphEndpoint = r.endpoint("FUNCTIONGRAPH_ENDPOINT", regional("functiongraph", c.Region))
	}
	c.TimeZone = r.timeZone()
	c.Keep = r.keep()
	c.Recipients = r.recipients()
	c.NotifyTopicURN = r.pattern("NOTIFY_TOPIC_URN", topicURN, "the URN of an SMN topic, urn:smn:<region>:<project id>:<name>")
	if r.reads("SMN_ENDPOINT") {
		c.SMNEndpoint = r.endpoint("SMN_ENDPOINT", regional("smn", c.Region))
	}
	c.Self = r.self(c)
	r.aws(c)
	c.LogLevel = r.logLevel()
	keys.check(r, c)

	if len(r.faults) > 0 {
		return nil, r.faults
	}
	return c, nil
}
