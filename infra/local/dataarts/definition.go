package dataarts

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// serverOwned are the top-level members that the service sets itself: a client may send them (the documents even ask for id in Editing a Job), and
// they are overwritten. The last two of jobs and scripts are instructions that are not part of the definition.
func serverOwned(kind Kind) []string {
	switch kind {
	case Jobs:
		return []string{"id", "createTime", "createUser", "version", "lastUpdateUser", "lastUpdateTime", "downstreamJobs", "targetStatus", "approvers"}
	case Scripts:
		return []string{"id", "version", "owner", "createUser", "createTime", "modifyUser", "modifyTime", "targetStatus", "approvers"}
	case Resources:
		return []string{"id", "resourceId", "jobRelation"}
	}
	return nil
}

// definition is a body as the service keeps it: the client's text without what the server owns, with the documented defaults written out.
func definition(kind Kind, body []byte) []byte {
	text := without(bytes.TrimSpace(body), serverOwned(kind))
	var defaults fields
	if kind == Scripts || kind == Resources {
		if _, _, ok := lookup(text, "directory"); !ok {
			defaults.add("directory", "/")
		}
	}
	if kind == Scripts {
		if _, _, ok := lookup(text, "autoAcquireLock"); !ok {
			defaults.add("autoAcquireLock", true)
		}
	}
	return bytes.Join(spliced(bytes.Clone(text), defaults), nil)
}

// facts are what the service itself reads in a definition.
type facts struct {
	kind     string // type of a script or resource, processType of a job
	location string // of a resource
	owner    string
	priority int64
	single   bool
	depends  []string // jobs of this workspace that the schedule waits for
	scripts  []string // scripts that nodes run
	files    []string // obs:// paths in properties of nodes
	labels   []string // basicConfig.tags
	nodes    []node
}

type node struct{ name, kind string }

func read(text []byte) facts {
	json := gjson.ParseBytes(text)
	f := facts{
		kind:     json.Get("processType").String(),
		location: json.Get("location").String(),
		owner:    json.Get("basicConfig.owner").String(),
		priority: json.Get("basicConfig.priority").Int(),
		single:   json.Get("singleNodeJobFlag").Bool(),
	}
	if f.kind == "" {
		f.kind = json.Get("type").String()
	}
	depend := json.Get("schedule.cron.dependJobs")
	for _, name := range depend.Get("jobs").Array() {
		f.depends = append(f.depends, name.String())
	}
	for _, job := range depend.Get("sameWorkSpaceJobs").Array() {
		f.depends = append(f.depends, job.Get("jobName").String())
	}
	f.depends = slices.DeleteFunc(f.depends, func(name string) bool { return name == "" })
	for _, tag := range json.Get("basicConfig.tags").Array() {
		if tag.Type == gjson.String {
			f.labels = append(f.labels, tag.String())
		}
	}
	for _, n := range json.Get("nodes").Array() {
		f.nodes = append(f.nodes, node{n.Get("name").String(), n.Get("type").String()})
		for _, property := range n.Get("properties").Array() {
			value := property.Get("value").String()
			switch {
			case property.Get("name").String() == "scriptName" && value != "":
				f.scripts = append(f.scripts, value)
			case strings.HasPrefix(value, "obs://"):
				f.files = append(f.files, value)
			}
		}
	}
	return f
}

// succeed makes a an asset's next revision: old is the one before, nil if a is new. The caller holds the lock.
func (s *Service) succeed(a, old *asset, kind Kind) {
	a.modified = s.now()
	if old == nil {
		a.version, a.created = 1, a.modified
		if a.id == "" && (kind == Jobs || kind == Scripts) {
			a.id = s.nextNumber()
		}
	} else {
		a.id, a.version, a.created, a.createUser = old.id, old.version+1, old.created, old.createUser
		if a.submitted == nil {
			a.submitted = old.submitted
		}
	}
	if kind != Jobs {
		return
	}
	// Older versions stay readable: the last 100 of them (10 in older releases).
	a.versions = map[int][]byte{a.version: a.text}
	if old != nil {
		for number, text := range old.versions {
			if number > a.version-100 {
				a.versions[number] = text
			}
		}
	}
}

func text2string(text []byte, name string) string {
	value, _, ok := lookup(text, name)
	if !ok || value[0] != '"' {
		return ""
	}
	return unquote(value)
}

func millis(t time.Time) int64 { return t.UnixMilli() }
