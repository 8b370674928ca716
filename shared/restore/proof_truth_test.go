package restore_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
)

// picture is a workspace at one moment, as the service has it and not as a restore has seen it.
type picture struct {
	assets map[asset.Ref][]byte // definitions by identity; each environment variable is one
	status map[string]string    // of the jobs
}

// picture takes one.
func (d *desk) picture(workspace string) picture {
	w := d.Handle(workspace)
	p := pictureOf(d.t, d.snapshot(workspace))
	for job := range w.All(dataarts.Jobs) {
		p.status[job] = w.JobStatus(job)
	}
	return p
}

// fataler is a test, or a check of rapid.
type fataler interface{ Fatalf(string, ...any) }

// pictureOf arranges definitions, as the emulated service gives them, by identity.
func pictureOf(t fataler, all map[dataarts.Kind]map[string]json.RawMessage) picture {
	p := picture{map[asset.Ref][]byte{}, map[string]string{}}
	for kind, assets := range all {
		for _, raw := range assets {
			if kind == dataarts.Env {
				variables, err := asset.ParseVariables(raw)
				if err != nil {
					t.Fatalf("%s: %v", raw, err)
				}
				for _, name := range variables.Names() {
					text, _ := variables.Get(name)
					p.assets[asset.Ref{Kind: asset.Env, Name: name}] = text
				}
				continue
			}
			ref := asset.Ref{Kind: asset.Kind(kind), Name: rawjson.StringAt(raw, "name"), Directory: asset.CleanDirectory(rawjson.StringAt(raw, "directory"))}
			p.assets[ref.Identity()] = raw
		}
	}
	return p
}

// sameAsset tells whether two definitions are of the same content; nil is none.
func sameAsset(kind asset.Kind, a, b []byte) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	changes, err := rawjson.Diff(asset.Comparable(kind, a), asset.Comparable(kind, b))
	return err == nil && len(changes) == 0
}

// differences tells how a workspace that should be as p is otherwise. leave are those that need not be.
func (p picture) differences(now picture, leave func(asset.Ref) bool) []string {
	var all []string
	refs := maps.Clone(p.assets)
	maps.Copy(refs, now.assets)
	for ref := range refs {
		if !sameAsset(ref.Kind, p.assets[ref], now.assets[ref]) && !leave(ref) {
			all = append(all, fmt.Sprintf("%s: want %.300s, got %.300s", ref, p.assets[ref], now.assets[ref]))
		}
	}
	for job, want := range p.status {
		if got, there := now.status[job]; there && got != want && !leave(asset.Ref{Kind: asset.Jobs, Name: job}) {
			all = append(all, fmt.Sprintf("job %q: want it %s, it is %s", job, want, got))
		}
	}
	slices.Sort(all)
	return all
}

func isRunning(status string) bool { return status == "SCHEDULING" || status == "NORMAL" }

// trial is one restore that is held against the truth.
type trial struct {
	d       *desk
	desired picture // the backup
	before  picture // the workspace before the restore
	policy  string
	keep    string // what the request has for schedules

	began *picture // the workspace before the run that is judged, if that is not the first; nil is before
}

// since judges a run that began when the workspace was so.
func (c *trial) since(began picture) *trial {
	later := *c
	later.began = &began
	return &later
}

// lies is everything in which a report, and the error beside it, differ from the truth.
func (c *trial) lies(report *restore.Report, err error) []string {
	var lies []string
	say := func(format string, args ...any) { lies = append(lies, fmt.Sprintf(format, args...)) }
	now := c.d.picture(localtest.Workspace)
	switch {
	case report == nil:
		say("there is no report: %v", err)
		return lies
	case report.Status == restore.Failed:
		began := c.before
		if c.began != nil {
			began = *c.began
		}
		for _, difference := range began.differences(now, func(asset.Ref) bool { return false }) {
			say("FAILED, but %s", difference)
		}
		return lies
	case err != nil && report.Status != restore.Running:
		say("status %s with error %v", report.Status, err)
	case err == nil && report.Status != restore.Complete && report.Status != restore.Partial:
		say("status %s without an error", report.Status)
	case err == nil && stored(c.d, report.ID) != whole(report):
		say("the report on record is another one: %s", stored(c.d, report.ID))
	}
	items := map[asset.Ref]restore.Item{}
	bad := 0
	for _, i := range report.Items {
		ref := i.Ref().Identity()
		if _, twice := items[ref]; twice {
			say("%s stands in the report twice", ref)
		}
		items[ref] = i
		if i.Outcome == restore.Errored || i.Outcome == restore.Blocked {
			bad++
		}
		lies = append(lies, c.item(i, ref, now, err == nil)...)
	}
	if err == nil && (report.Status == restore.Complete) != (bad == 0) {
		say("%s with %d items that failed or are blocked", report.Status, bad)
	}
	for ref := range c.desired.assets {
		if _, named := items[ref]; !named {
			say("%s is in the backup and not in the report", ref)
		}
	}
	for ref, was := range c.before.assets {
		if _, named := items[ref]; !named && !sameAsset(ref.Kind, was, now.assets[ref]) {
			say("%s is not part of the restore, and was changed from %s to %s", ref, was, now.assets[ref])
		}
		if ref.Kind == asset.Env && now.assets[ref] == nil {
			say("environment variable %q is lost", ref.Name)
		}
		if ref.Kind == asset.Jobs && now.assets[ref] == nil {
			say("job %q is lost", ref.Name)
		}
	}
	for ref := range now.assets {
		if _, named := items[ref]; !named && c.before.assets[ref] == nil {
			say("%s is new, and not in the report", ref)
		}
	}
	return lies
}

// item is everything in which what is said of one asset differs from the truth. over tells that the restore is, so that no outcome is open.
func (c *trial) item(i restore.Item, ref asset.Ref, now picture, over bool) (lies []string) {
	say := func(format string, args ...any) {
		lies = append(lies, fmt.Sprintf("%s, %s %s: ", i.Ref(), i.Action, i.Outcome)+fmt.Sprintf(format, args...)+"; reason: "+i.Reason)
	}
	was, want, is := c.before.assets[ref], c.desired.assets[ref], now.assets[ref]
	untouched := sameAsset(ref.Kind, was, is)
	switch i.Outcome {
	case restore.Created:
		if was != nil || !sameAsset(ref.Kind, want, is) {
			say("it was %s, is %s, and should be %s", was, is, want)
		}
	case restore.Overwritten:
		if was == nil || sameAsset(ref.Kind, was, want) || !sameAsset(ref.Kind, want, is) {
			say("it was %s, is %s, and should be %s", was, is, want)
		}
	case restore.Unchanged:
		if !untouched || !sameAsset(ref.Kind, want, is) {
			say("it was %s, is %s, and should be %s", was, is, want)
		}
	case restore.Skipped:
		if !untouched || was == nil || c.policy != "skip" {
			say("it was %s and is %s", was, is)
		}
	case restore.Errored, restore.Blocked:
		if i.Reason == "" {
			say("there is no reason")
		}
		if !untouched && !i.Written && !mayHaveBeenWritten(i.Reason) {
			say("it was changed from %s to %s, and is not said to be written", was, is)
		}
		if i.Outcome == restore.Blocked && i.Written && untouched && was == nil {
			say("it is said to be written, and is not there")
		}
	default:
		if over {
			say("it has no outcome")
		}
	}
	if ref.Kind != asset.Jobs || !over {
		return lies
	}
	ran, runs := isRunning(c.before.status[ref.Name]), isRunning(now.status[ref.Name])
	good := i.Outcome == restore.Created || i.Outcome == restore.Overwritten || i.Outcome == restore.Unchanged
	told := strings.Contains(i.Reason, "start") || strings.Contains(i.Reason, "stop")
	switch {
	case !good && ran != runs && !told:
		say("it ran: %v, and runs: %v", ran, runs)
	case strings.Contains(i.Reason, "an earlier run of this restore left it"): // what is on record as done is not done again, and is told of
	case !good, c.keep == "start" && once(want): // what runs once may be over when it is looked at
	case c.keep == "keep" && ran != runs, c.keep == "start" && !runs, c.keep == "stop" && runs:
		say("schedules %s: it ran: %v, and runs: %v", c.keep, ran, runs)
	}
	return lies
}

// once tells whether a job's schedule is to run it one time.
func once(job []byte) bool {
	return rawjson.StringAt(job, "schedule", "type") == "EXECUTE_ONCE" && rawjson.StringAt(job, "processType") == "BATCH"
}

// mayHaveBeenWritten tells whether a reason says that the outcome of a write is unknown.
func mayHaveBeenWritten(reason string) bool {
	return strings.Contains(reason, "it is unknown whether") || strings.Contains(reason, "unknown whether it was applied") || strings.Contains(reason, "look whether")
}

// undoLies is everything in which the report of an undo differs from the truth.
func (c *trial) undoLies(report *restore.Report, err error) []string {
	now := c.d.picture(localtest.Workspace)
	var lies []string
	say := func(format string, args ...any) { lies = append(lies, "undo: "+fmt.Sprintf(format, args...)) }
	switch {
	case err != nil:
	case report == nil:
		say("there is neither a report nor an error")
	case report.Status == restore.Undone:
		for _, difference := range c.before.differences(now, func(asset.Ref) bool { return false }) {
			say("UNDONE, but %s", difference)
		}
	case report.Status == restore.Partial:
		named := func(ref asset.Ref) bool {
			return strings.Contains(report.Message, fmt.Sprintf("%q", ref.Name)) || ref.Directory != "" && strings.Contains(report.Message, ref.Name) ||
				ref.Kind == asset.Env && strings.Contains(report.Message, "environment variables")
		}
		for _, difference := range c.before.differences(now, named) {
			say("PARTIAL without a word of it: %s; message: %s", difference, report.Message)
		}
	default:
		say("%s: %s", report.Status, report.Message)
	}
	for ref, was := range c.before.assets {
		if now.assets[ref] == nil {
			say("%s is lost: %s", ref, was)
		}
	}
	return lies
}
