package drill

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
	"github.com/dataarts-backup/dataarts-backup/shared/strictjson"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// Command asks for a drill, by direct invocation, as an object under restore-requests/ and as the text of a timer.
type Command struct {
	Drill Spec `json:"drill"`
	// Time is the moment that the schedule meant, for schedulers that deliver only their own input: the same drill at the same time is the same drill.
	Time *time.Time `json:"time,omitempty"`
}

// Spec is what is to be tried.
type Spec struct {
	Workspace string           `json:"workspace"`         // that is restored into; it must be one that nothing else uses
	Source    string           `json:"source,omitempty"`  // workspace whose backup is meant, where the location holds {workspace}
	Date      string           `json:"date,omitempty"`    // name of a backup, or latest, which is meant where it is empty
	Replace   *restore.Replace `json:"replace,omitempty"` // values to change, such as connections that the drill workspace has by another name
	Keep      bool             `json:"keep,omitempty"`    // leave what was restored, for people to look at; the next drill removes it
}

const latest = "latest"

// IsCommand tells whether a JSON object asks for a drill, well or badly.
func IsCommand(data []byte) bool {
	_, is := rawjson.Lookup(data, "drill")
	return rawjson.Check(data) == nil && is
}

// ParseCommand reads a command strictly. The error names every fault at once, with line, column and path.
func ParseCommand(data []byte) (Command, error) {
	doc, err := strictjson.Parse(data)
	if err != nil {
		return Command{}, err
	}
	var c Command
	var faults strictjson.Faults
	if err := doc.Decode(&c); err != nil && !errors.As(err, &faults) {
		return Command{}, err
	}
	problems := c.Drill.check()
	for _, path := range slices.Sorted(maps.Keys(problems)) {
		path, problem := "drill."+path, problems[path]
		if !slices.ContainsFunc(faults, func(known strictjson.Fault) bool { return known.Path == path || known.Path == "drill" }) {
			faults = append(faults, doc.FaultAt(path, problem))
		}
	}
	if err := faults.Err(); err != nil {
		return Command{}, err
	}
	return c, nil
}

// check finds what is wrong with a drill as such, by path.
func (s Spec) check() map[string]string {
	problems := map[string]string{}
	switch {
	case s.Workspace == "":
		problems["workspace"] = "is missing: want the id of a workspace that is there for drills alone"
	case !restore.IsID(s.Workspace):
		problems["workspace"] = fmt.Sprintf("%q is no workspace id", s.Workspace)
	case s.Workspace == s.Source:
		problems["workspace"] = "is the workspace whose backup is tried: want another one, that is there for drills alone"
	}
	if s.Source != "" && !restore.IsID(s.Source) {
		problems["source"] = fmt.Sprintf("%q is no workspace id", s.Source)
	}
	if s.Date != "" && s.Date != latest && !vault.IsFolderName(s.Date) {
		problems["date"] = fmt.Sprintf("%q: want a backup's name like 2026-11-22 or 2026-11-22T153000, or latest", s.Date)
	}
	if s.Replace != nil {
		for _, from := range slices.Backward(slices.Sorted(maps.Keys(s.Replace.OBSPath))) { // the first one is named
			for _, p := range []string{s.Replace.OBSPath[from], from} {
				if _, _, ok := asset.ParseOBSPath(p); !ok {
					problems["replace.obsPath"] = fmt.Sprintf("%q: want the beginning of an obs:// path", p)
				}
			}
		}
	}
	return problems
}

// date is that of the backup.
func (s Spec) date() string {
	if s.Date == "" {
		return latest
	}
	return s.Date
}
