package handler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/shared/page"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
)

const running = restore.Running

// Choices of what a report shows beside single outcomes and actions.
const (
	showTouched = ""    // what is not left as it is
	showAll     = "all" // everything
)

// restore is the view of a plan or of the report of a restore.
func (v *view) restore(ctx context.Context) (page.View, error) {
	id, query, what, from := v.text("id"), strings.TrimSpace(v.text("q")), v.text("what"), v.position("after")
	if !restore.IsID(id) {
		v.fault("id: %q: want the id of a restore", id)
	}
	if err := v.err(); err != nil {
		return nil, err
	}
	show := page.RestoreView{Head: v.head(id, "view", "restore", "id", id), ID: id, Query: query}
	report, err := v.reports().Load(ctx, id)
	if errors.Is(err, restore.ErrNoReport) {
		stored, storedErr := v.isQueued(ctx, id)
		if storedErr != nil || !stored {
			return nil, errors.Join(storedErr, err)
		}
		show.Title, show.Status, show.Queued, show.Live = v.say("Restore %s", id), string(restore.Running), true, true
		return show, nil
	}
	if err != nil {
		return nil, err
	}
	show.Title = v.say("Restore %s", id)
	if report.Status == restore.Planned {
		show.Title = v.say("Plan %s", id)
	} else if report.IsExport() {
		show.Title = v.say("Export %s", id)
	}
	show.Status, show.Message, show.From, show.Target, show.Policy = string(report.Status), report.Message, report.Backup, report.Workspace, string(report.DuplicateNamePolicy)
	show.PlanHash, show.On, show.Done, show.Total = report.PlanHash, page.MomentOf(report.StartedAt), report.Progress.Done, report.Progress.Total
	if report.FinishedAt != nil {
		show.Finished = page.MomentOf(*report.FinishedAt)
	}
	if report.Status == restore.Planned {
		show.Done, show.Total = 0, 0 // nothing is under way
	}
	show.Live = report.Status == restore.Running
	if report.Undo != nil {
		show.Undo = v.say("It has been under undo since %s.", page.MomentOf(report.Undo.StartedAt).Text)
	}
	if show.Request, err = requestOf(report); err != nil {
		return nil, err
	}
	show.CanApply = report.Status == restore.Planned && show.Request != ""
	show.CanUndo = !report.IsExport() && (report.Status == restore.Complete || report.Status == restore.Partial)
	for _, p := range report.Problems {
		show.Problems = append(show.Problems, page.Problem{Kind: string(p.Kind), Name: p.Name, Text: p.Problem})
	}
	for _, e := range report.Exports {
		show.Exports = append(show.Exports, page.Export{Path: e.Path, Size: page.Size(int64(e.Size))})
	}
	v.fillItems(&show, report, what, from)
	return show, nil
}

// isQueued tells whether the request of a restore is stored that has not begun.
func (v *view) isQueued(ctx context.Context, id string) (bool, error) {
	l := v.config.Location
	_, err := v.store.Bucket(l.Bucket).Stat(ctx, l.Root()+requestFolder+id+".json")
	switch {
	case errors.Is(err, store.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look for restore request %s: %w", id, err)
	}
	return true, nil
}

// requestOf is the request that applies a plan, as JSON: what was asked for, with what "latest" meant then. It is empty where the report does not say what was asked for.
func requestOf(report *restore.Report) (string, error) {
	if report.Request == nil || report.IsExport() {
		return "", nil
	}
	request := *report.Request
	request.ID, request.DryRun, request.PlanHash = "", false, ""
	request.Path, request.Date, request.Source = report.Backup, "", ""
	text, err := json.Marshal(request)
	if err != nil {
		return "", fmt.Errorf("encode the request of restore %s: %w", report.ID, err)
	}
	return string(text), nil
}

// fillItems shows those items that are asked for.
func (v *view) fillItems(show *page.RestoreView, report *restore.Report, what string, from int) {
	words := map[string]int{}
	for _, item := range report.Items {
		words[wordOf(item)]++
	}
	show.Whats = []page.Link{{Text: v.say("what changes, or needs attention"), Href: showTouched}, {Text: v.say("all %d", len(report.Items)), Href: showAll}}
	for _, word := range slices.Sorted(maps.Keys(words)) {
		show.Whats = append(show.Whats, page.Link{Text: fmt.Sprintf("%s %d", word, words[word]), Href: word})
	}
	for i := range show.Whats {
		show.Whats[i].Current = show.Whats[i].Href == what
	}
	var fitting []int
	for i, item := range report.Items {
		word := wordOf(item)
		if what != showAll && what != word && (what != showTouched || untouched(item)) || !contains(item.Name+" "+item.Directory, show.Query) {
			continue
		}
		fitting = append(fitting, i)
	}
	show.Fitting = len(fitting)
	cut, next := pageOf(fitting, from, pageRows)
	for _, i := range cut {
		show.Items = append(show.Items, itemOf(fmt.Sprintf("item-%d", i), report.Items[i]))
	}
	link := func(at int) string {
		return v.links.To("view", "restore", "id", report.ID, "q", show.Query, "what", what, "after", fmt.Sprint(at))
	}
	if from > 0 {
		show.Newest = link(0)
	}
	if next > 0 {
		show.Next = link(next)
	}
}

// wordOf is what became of an item, or what is to.
func wordOf(item restore.Item) string {
	if item.Outcome != "" {
		return string(item.Outcome)
	}
	return string(item.Action)
}

// untouched tells whether an item is left as it is and nobody needs to know more about it.
func untouched(item restore.Item) bool {
	left := item.Action == restore.ActionUnchanged && (item.Outcome == "" || item.Outcome == restore.Unchanged)
	return left && item.Reason == "" && len(item.Files) == 0
}

func itemOf(id string, item restore.Item) page.Item {
	shown := page.Item{ID: id, Word: wordOf(item), Kind: string(item.Kind), Name: item.Name, Directory: item.Directory, Reason: item.Reason, MoreChanges: item.MoreChanges}
	for _, c := range item.Changes {
		shown.Changes = append(shown.Changes, page.Change{Field: c.Field, From: c.From, To: c.To, Diff: c.Diff})
	}
	for _, f := range item.Files {
		word := string(f.Outcome)
		if word == "" {
			word = string(f.Action)
		}
		shown.Files = append(shown.Files, page.FileItem{Word: word, Location: f.Location, Reason: f.Reason})
	}
	return shown
}

// contains tells whether a text holds another one, whatever the case of its letters.
func contains(text, query string) bool {
	return query == "" || strings.Contains(strings.ToLower(text), strings.ToLower(query))
}
