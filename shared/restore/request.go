package restore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/strictjson"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// Request is a restore request, the same by HTTP, as an object under restore-requests/ and as a direct invocation.
type Request struct {
	ID                  string   `json:"id,omitempty"`
	Path                string   `json:"path,omitempty"`
	Date                string   `json:"date,omitempty"`
	Source              string   `json:"source,omitempty"`
	Workspace           string   `json:"workspace,omitempty"`
	DuplicateNamePolicy Policy   `json:"duplicateNamePolicy,omitempty"`
	DryRun              bool     `json:"dryRun,omitempty"`
	PlanHash            string   `json:"planHash,omitempty"`
	Select              *Select  `json:"select,omitempty"`
	Replace             *Replace `json:"replace,omitempty"`
	Schedules           string   `json:"schedules,omitempty"`
	TargetStatus        string   `json:"targetStatus,omitempty"`
	Approvers           []string `json:"approvers,omitempty"`
	AllowPartial        bool     `json:"allowPartial,omitempty"`
	Export              bool     `json:"export,omitempty"` // write zips for DataArts' own job import instead of restoring
	Undo                string   `json:"undo,omitempty"`
}

// Policy is what to do with an asset that the target workspace has already, DataArts' "duplicate name policy".
type Policy string

// The policies. Fail refuses the whole restore before its first write when any selected asset exists.
const (
	Overwrite Policy = "overwrite"
	Skip      Policy = "skip"
	Fail      Policy = "fail"
)

// Select narrows a restore down. An asset has to fit every list that is given.
type Select struct {
	Kinds            []asset.Kind `json:"kinds,omitempty"`
	Names            []string     `json:"names,omitempty"`       // globs: *, ?, [a-z]
	Directories      []string     `json:"directories,omitempty"` // with everything below
	WithDependencies bool         `json:"withDependencies,omitempty"`
}

// Replace maps old values to new ones, in everything that is restored.
type Replace struct {
	ConnectionName     map[string]string `json:"connectionName,omitempty"`
	Database           map[string]string `json:"database,omitempty"`
	ClusterName        map[string]string `json:"clusterName,omitempty"`
	OBSPath            map[string]string `json:"obsPath,omitempty"` // prefixes of obs:// paths
	ExpressionTimeZone map[string]string `json:"expressionTimeZone,omitempty"`
}

// The values of schedules.
const (
	Keep  = "keep"
	Stop  = "stop"
	Start = "start"
)

// ParseRequest reads a request strictly. The error names every fault at once, with line, column and path.
func ParseRequest(data []byte) (Request, error) {
	return parseRequest(data, func(*Request) []fault { return nil })
}

// parseRequest looks for more faults once there is one: what is wrong with a request that is else well made has a refusal of its own.
func parseRequest(data []byte, more func(*Request) []fault) (Request, error) {
	doc, err := strictjson.Parse(data)
	if err != nil {
		return Request{}, err
	}
	var r Request
	var faults strictjson.Faults
	if err := doc.Decode(&r); err != nil && !errors.As(err, &faults) {
		return Request{}, err
	}
	// What could be read is checked even where something else could not, so that one round of corrections is enough.
	add := func(found []fault) {
		for _, f := range found {
			if !slices.ContainsFunc(faults, func(known strictjson.Fault) bool { return known.Path == f.path }) {
				faults = append(faults, doc.FaultAt(f.path, f.problem))
			}
		}
	}
	add(r.check())
	for _, f := range emptied(data) {
		faults = append(faults, doc.FaultAt(f.path, f.problem))
	}
	if len(faults) > 0 {
		add(more(&r))
	}
	if err := faults.Err(); err != nil {
		return Request{}, err
	}
	return r, nil
}

// emptied finds what is there and holds nothing: a script whose variable is empty sends it, and means anything but "everything, unguarded, where it came from".
func emptied(data []byte) []fault {
	var faults []fault
	for _, f := range []fault{
		{"id", "is empty: want 1 to 64 characters of A-Z, a-z, 0-9, '.', '_' and '-', or leave it out"},
		{"workspace", "is empty: want the id of the target workspace, or leave it out for the one that was backed up"},
		{"planHash", "is empty: want the hash of a plan, or leave it out"},
	} {
		if value, ok := rawjson.Path(data, f.path); ok && string(value) == `""` {
			faults = append(faults, f)
		}
	}
	for _, name := range []string{"kinds", "names", "directories"} {
		list, ok := rawjson.Path(data, "select", name)
		if !ok || len(list) == 0 || list[0] != '[' {
			continue
		}
		some := false
		for range rawjson.Elements(list) {
			some = true
		}
		if !some {
			faults = append(faults, fault{"select." + name, "is empty, which would select nothing: name some, or leave it out for all"})
		}
	}
	return faults
}

type fault struct{ path, problem string }

// check finds what is wrong with a request as such, whatever there is to restore.
func (r *Request) check() []fault {
	var faults []fault
	add := func(path, format string, args ...any) {
		faults = append(faults, fault{path, fmt.Sprintf(format, args...)})
	}
	oneOf := func(path, value string, allowed ...string) {
		if value != "" && !slices.Contains(allowed, value) {
			add(path, "%q: want %s", value, strings.Join(allowed, ", "))
		}
	}
	if r.ID != "" && !validID(r.ID) {
		add("id", "%q: want 1 to 64 characters of A-Z, a-z, 0-9, '.', '_' and '-'", r.ID)
	}
	if r.Undo != "" {
		if !validID(r.Undo) {
			add("undo", "%q is no id of a restore", r.Undo)
		}
		alone := *r
		alone.ID, alone.Undo = "", ""
		if !alone.same(Request{}) {
			add("undo", "stands alone: it takes back the restore that it names, whole")
		}
		return faults
	}
	switch {
	case r.Path == "" && r.Date == "":
		add("date", "what to restore is missing: want path (obs://bucket/folder/2026-11-22/) or date (2026-11-22 or latest)")
	case r.Path != "" && r.Date != "":
		add("date", "stands beside path: want one of them")
	case r.Path != "":
		if bucket, key, ok := asset.ParseOBSPath(r.Path); !ok || key == "" || bucket == "" {
			add("path", "%q: want obs://bucket/folder/", r.Path)
		} else if slices.Contains(strings.Split(key, "/"), "..") {
			add("path", "%q: must not hold \"..\"", r.Path)
		}
		if r.Source != "" {
			add("source", "goes with date; path says where the backup lies")
		}
	case r.Date != latest && !vault.IsFolderName(r.Date):
		add("date", "%q: want a backup's name like 2026-11-22 or 2026-11-22T153000, or latest", r.Date)
	}
	if r.Export {
		for _, path := range r.besideExport() {
			add(path, "does not go with export, which writes files and into no workspace")
		}
	} else if r.DuplicateNamePolicy == "" {
		add("duplicateNamePolicy", "is missing: want overwrite, skip or fail")
	}
	oneOf("duplicateNamePolicy", string(r.DuplicateNamePolicy), string(Overwrite), string(Skip), string(Fail))
	oneOf("schedules", r.Schedules, Keep, Stop, Start)
	oneOf("targetStatus", r.TargetStatus, "SAVED", "SUBMITTED", "PRODUCTION")
	for path, id := range map[string]string{"workspace": r.Workspace, "source": r.Source} {
		if id != "" && !validID(id) {
			add(path, "%q is no workspace id", id)
		}
	}
	for i, name := range r.Approvers {
		if name == "" {
			add(fmt.Sprintf("approvers[%d]", i), "is empty: want a user name")
		}
	}
	if r.Select != nil {
		for i, k := range r.Select.Kinds {
			if _, err := asset.ParseKind(string(k)); err != nil {
				add(fmt.Sprintf("select.kinds[%d]", i), "%v", err)
			}
		}
		for i, glob := range r.Select.Names {
			if _, err := path.Match(glob, ""); err != nil {
				add(fmt.Sprintf("select.names[%d]", i), "%q is no glob: %v", glob, err)
			}
		}
		for i, dir := range r.Select.Directories {
			if !strings.HasPrefix(dir, "/") {
				add(fmt.Sprintf("select.directories[%d]", i), "%q: want a directory from the root, like /ods", dir)
			}
		}
	}
	if r.Replace != nil {
		for from, to := range r.Replace.OBSPath {
			for _, p := range []string{from, to} {
				if _, _, ok := asset.ParseOBSPath(p); !ok {
					add("replace.obsPath", "%q: want the beginning of an obs:// path", p)
				}
			}
		}
	}
	return faults
}

const latest = "latest"

// IsID tells whether a text can be the id of a restore.
func IsID(id string) bool { return validID(id) }

func validID(id string) bool {
	if id == "" || len(id) > 64 || id == "." || id == ".." { // the dots are no names of folders
		return false
	}
	return strings.IndexFunc(id, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("._-", c))
	}) < 0
}

// same tells whether two requests ask for the same.
func (r *Request) same(other Request) bool {
	a, errA := json.Marshal(r)
	b, errB := json.Marshal(other)
	return errA == nil && errB == nil && bytes.Equal(a, b)
}

// schedules is what to do with schedules, Keep where nothing is said.
func (r *Request) schedules() string {
	if r.Schedules == "" {
		return Keep
	}
	return r.Schedules
}
