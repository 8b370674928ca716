package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/functiongraph"
)

// answer is what the backup function answers.
type answer struct {
	Status  string `json:"status"`
	Backups []struct {
		Workspace  string `json:"workspace"`
		Path       string `json:"path"`
		Status     string `json:"status"`
		Calls      int    `json:"calls"`
		DurationMS int64  `json:"durationMs"`
		Message    string `json:"message"`
	} `json:"backups"`
}

// midnight lets midnight come, and looks at what is in the bucket then.
func (s *story) midnight(ctx context.Context) error {
	now := time.Now().In(s.zone)
	at := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, s.zone)
	s.date = at.Format(time.DateOnly)
	s.t.heading(fmt.Sprintf("Midnight comes: %s in %s", at.Format("2006-01-02 15:04"), s.opts.zone))

	type arrived struct {
		invocation functiongraph.AsyncInvocation
		err        error
	}
	done := make(chan arrived, 1)
	go func() {
		invocation, err := s.cloud.Midnight(ctx, at)
		done <- arrived{invocation, err}
	}()
	var night arrived
	for open := true; open; {
		select {
		case night = <-done:
			open = false
		case <-time.After(100 * time.Millisecond):
			s.t.progress("backing up: %d requests to DataArts, %d objects written", len(s.cloud.DataArts.Calls()), s.cloud.Store.Calls("PutObject"))
		}
	}
	if night.err != nil {
		return night.err
	}
	if e := night.invocation.Result.FunctionError; e != nil {
		return fmt.Errorf("the backup failed: %s", e.Message)
	}
	got, err := s.everyNight(ctx, night.invocation)
	if err != nil {
		return err
	}
	if len(got.Backups) != len(s.places) {
		return fmt.Errorf("%d workspaces were backed up, want %d", len(got.Backups), len(s.places))
	}
	for i, b := range got.Backups {
		if want := "obs://" + local.Bucket + "/" + s.folder(s.places[i]); b.Path != want {
			return fmt.Errorf("the backup of %s lies in %s, want %s", s.places[i].name, b.Path, want)
		}
		s.t.line("%-9s  %s  %s, %d requests", s.places[i].name, s.t.paint(green, b.Status), seconds(time.Duration(b.DurationMS)*time.Millisecond), b.Calls)
	}
	s.t.line("")
	if err := s.tree(s.places[0]); err != nil {
		return err
	}
	s.t.done("both folders are committed: backup.json was written last, over a manifest of every byte")
	return nil
}

// everyNight is what became of every workspace. The timer's invocation hands each of several to an invocation of its own, which answers for it.
func (s *story) everyNight(ctx context.Context, timer functiongraph.AsyncInvocation) (answer, error) {
	var got answer
	if err := json.Unmarshal(timer.Result.Payload, &got); err != nil {
		return got, fmt.Errorf("the backup function's answer is not JSON: %w", err)
	}
	if err := s.cloud.Backup.Wait(ctx); err != nil {
		return got, fmt.Errorf("wait for the invocations of the workspaces: %w", err)
	}
	for i := range got.Backups {
		b := &got.Backups[i]
		for _, own := range s.cloud.Backup.AsyncInvocations() {
			if own.RequestID == timer.RequestID || !strings.Contains(b.Message, own.RequestID) {
				continue
			}
			var one answer
			if err := json.Unmarshal(own.Result.Payload, &one); err != nil {
				return got, fmt.Errorf("the answer for workspace %s is not JSON: %w", b.Workspace, err)
			}
			if len(one.Backups) != 1 {
				return got, fmt.Errorf("the answer for workspace %s has %d backups", b.Workspace, len(one.Backups))
			}
			*b = one.Backups[0]
		}
		if b.Status != "COMPLETE" {
			return got, fmt.Errorf("the backup of workspace %s is %s: %s", b.Workspace, b.Status, b.Message)
		}
	}
	return got, nil
}

// shown is how many files of a folder the tree shows.
const shown = 3

// tree shows a dated folder.
func (s *story) tree(p *place) error {
	prefix := s.folder(p)
	keys, err := s.cloud.Store.Keys(local.Bucket, prefix)
	if err != nil {
		return err
	}
	byTop := map[string][]string{}
	var order []string
	for _, key := range keys {
		top, rest, isFolder := strings.Cut(strings.TrimPrefix(key, prefix), "/")
		if isFolder {
			top += "/"
		}
		if _, known := byTop[top]; !known {
			order = append(order, top)
		}
		if rest != "" {
			byTop[top] = append(byTop[top], rest)
		} else {
			byTop[top] = nil
		}
	}
	if !slices.Contains(order, "manifest.json") || !slices.Contains(order, "backup.json") {
		return fmt.Errorf("the folder %s has no manifest.json or no backup.json", prefix)
	}
	meaning := map[string]string{"manifest.json": "what is here, with every hash", "backup.json": "the commit, made for editing"}
	// Folders first, then the manifest, then the commit: the order in which they were written.
	slices.SortStableFunc(order, func(a, b string) int { return cmp.Compare(rank(a), rank(b)) })
	s.t.line("%s", s.t.paint(bold, "obs://"+local.Bucket+"/"+prefix))
	for i, top := range order {
		branch, stem := "├── ", "│   "
		if i == len(order)-1 {
			branch, stem = "└── ", "    "
		}
		files := byTop[top]
		note := meaning[top]
		if len(files) > 1 {
			note = fmt.Sprintf("%d files", len(files))
		}
		s.t.line("%s%-16s %s", branch, top, s.t.paint(faint, note))
		for j, file := range files {
			if j == shown && len(files) > shown+1 {
				s.t.line("%s└── %s", stem, s.t.paint(faint, fmt.Sprintf("and %d more", len(files)-shown)))
				break
			}
			twig := "├── "
			if j == len(files)-1 {
				twig = "└── "
			}
			s.t.line("%s%s%s", stem, twig, file)
		}
	}
	return nil
}

// rank sorts the tree's first level.
func rank(name string) int {
	switch name {
	case "manifest.json":
		return 1
	case "backup.json":
		return 2
	}
	return 0
}

// variables are the environment variables of a workspace.
func variables(w *dataarts.WorkspaceHandle) []json.RawMessage {
	raw, ok := w.Asset(dataarts.Env, "env")
	if !ok {
		return nil
	}
	var list struct {
		Params []json.RawMessage `json:"params"`
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil
	}
	return list.Params
}
