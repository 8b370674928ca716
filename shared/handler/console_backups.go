package handler

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/event"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// How many entries an answer has, unless the request says otherwise, and at most: a platform takes 6 MB.
const (
	normalBackups = 100
	mostBackups   = 1000
	normalAssets  = 1000
	mostAssets    = 5000
)

// stateUnreadable is the status of a folder about which nothing is known, because the store did not give an object out.
const stateUnreadable vault.State = "UNREADABLE"

// backupSummary is one dated folder in a list.
type backupSummary struct {
	Name       string             `json:"name"`
	Path       string             `json:"path"` // obs:// path of the folder
	Status     vault.State        `json:"status"`
	Counts     map[asset.Kind]int `json:"counts"` // what is stored; empty without a manifest
	StartedAt  *time.Time         `json:"startedAt"`
	FinishedAt *time.Time         `json:"finishedAt"`
	DurationMS *int64             `json:"durationMs"`
	Size       *int64             `json:"size"` // bytes of all assets and files, as stored
	Message    string             `json:"message"`
	Verified   *verifiedState     `json:"verified"` // null where it was not verified since it was taken
	Progress   *backupProgress    `json:"progress"` // of an INCOMPLETE backup; null where it is not known, and for the others
}

// backupList is the answer to GET /backups.
type backupList struct {
	Workspace string          `json:"workspace"` // empty where the location is not kept by workspace
	Path      string          `json:"path"`      // obs:// path of the location
	Total     int             `json:"total"`     // of the dated folders in it
	Drills    drillStatus     `json:"drills"`    // of these backups
	Backups   []backupSummary `json:"backups"`
	Next      string          `json:"next,omitempty"` // the value of after that continues the list
}

// backups lists the backups of a workspace, the newest first.
func (c *console) backups(ctx context.Context, r event.Request) (reply, error) {
	p := &parameters{values: r.Query}
	limit, after := p.limit(normalBackups, mostBackups), p.folderName("after", p.text("after"))
	workspace, ok, err := c.one(ctx, p)
	if err := errors.Join(err, p.err()); err != nil {
		return reply{}, err
	}
	list := backupList{Backups: []backupSummary{}, Path: c.config.Location.String()}
	if ok {
		if list, err = c.listBackups(ctx, workspace, after, limit); err != nil {
			return reply{}, err
		}
	}
	return jsonReply(http.StatusOK, list)
}

// listBackups looks at the newest folders of a location whose names sort before after, up to limit of them, and at no others. Where the time is over, the list
// ends before the first that was not looked at, and goes on there; the error is a 504 where that is the first of all.
func (c *console) listBackups(ctx context.Context, workspace, after string, limit int) (backupList, error) {
	v, err := c.place(workspace)
	if err != nil {
		return backupList{}, err
	}
	work, cancel := inTime(ctx)
	defer cancel()
	folders, err := v.Folders(work)
	if err != nil {
		return backupList{}, overtimeIn(work, v, err)
	}
	list := backupList{Workspace: workspace, Path: v.Path(), Total: len(folders)}
	if after != "" {
		folders = slices.DeleteFunc(folders, func(f *vault.Folder) bool { return f.Name >= after })
	}
	if len(folders) > limit {
		folders = folders[len(folders)-limit:]
		list.Next = folders[0].Name
	}
	slices.Reverse(folders)
	list.Backups = make([]backupSummary, len(folders))
	var records verificationRecords
	if len(folders) > 0 {
		records = c.verificationRecords(work, v)
	}
	var drills sync.WaitGroup
	drills.Go(func() { list.Drills = c.lastDrills(work, workspace) })
	reached := make([]bool, len(folders))
	outlined := outlinesOf(work, folders)
	var group errgroup.Group
	group.SetLimit(inspections)
	for i, f := range folders { // in this order, so that the time is spent on the newest
		group.Go(func() error {
			if o, err := outlined(i); work.Err() == nil {
				list.Backups[i] = c.summary(work, f, o, err, records)
				reached[i] = work.Err() == nil // else it is half a summary
			}
			return nil
		})
	}
	_ = group.Wait() // its functions return no errors
	drills.Wait()
	switch n := slices.Index(reached, false); {
	case n == 0:
		return backupList{}, overtimeIn(work, v, fmt.Errorf("read %s: %w", folders[0].Path(), context.Cause(work)))
	case n > 0:
		list.Backups, list.Next = list.Backups[:n], list.Backups[n-1].Name
	}
	return list, nil
}

// overtimeIn is the error of work on a location that did not end in time as such.
func overtimeIn(work context.Context, v *vault.Vault, err error) error {
	if work.Err() == nil {
		return err
	}
	return &httpError{status: http.StatusGatewayTimeout, code: codeTimeout,
		message: fmt.Sprintf("the time was not enough to look at the backups in %s: %v; ask again", v.Path(), err)}
}

func summaryOf(f *vault.Folder, found vault.Inspection) backupSummary {
	s := backupSummary{Name: f.Name, Path: f.Path(), Status: found.State, Counts: map[asset.Kind]int{}, Message: messageOf(found)}
	m := found.Manifest
	if m == nil {
		return s
	}
	if m.Counts != nil {
		s.Counts = m.Counts
	}
	size := m.Size()
	s.Size = &size
	started, finished := m.StartedAt, m.FinishedAt // copies, so that a summary that is kept does not keep its manifest
	if !started.IsZero() {
		s.StartedAt = &started
	}
	if !finished.IsZero() {
		s.FinishedAt = &finished
	}
	if s.StartedAt != nil && s.FinishedAt != nil {
		duration := max(0, m.FinishedAt.Sub(m.StartedAt).Milliseconds())
		s.DurationMS = &duration
	}
	return s
}

// messageOf says why a folder has its status; it is empty for a backup about which there is nothing to say.
func messageOf(found vault.Inspection) string {
	switch found.State {
	case vault.StateComplete:
		if n := len(found.Manifest.Drift); n > 0 {
			return fmt.Sprintf("%s changed, appeared or vanished while the backup ran", plural(n, "asset"))
		}
		return ""
	case vault.StatePartial:
		return missingOf(found.Manifest)
	case vault.StateIncomplete:
		if found.Manifest != nil {
			return "backup.json is not there: the backup was not committed, or the file was removed"
		}
		return "neither backup.json nor manifest.json is there: the backup is running, or was interrupted"
	case vault.StateUnverified:
		return "there is no manifest to verify it against: written by the DataArts console, or its manifest was lost"
	case vault.StateDamaged, vault.StateUnsupported:
		return found.Fault.Error()
	}
	return ""
}

// missingOf says how much a PARTIAL backup lacks, and the first of it.
func missingOf(m *vault.Manifest) string {
	if len(m.Missing) == 0 {
		return "the manifest says PARTIAL and does not name what is missing"
	}
	n := 0
	for _, missing := range m.Missing {
		n += max(1, missing.Count)
	}
	first := m.Missing[0]
	what := fmt.Sprintf("%s of kind %s", plural(max(1, first.Count), "asset"), first.Kind)
	if first.Name != "" || first.Kind == asset.Env {
		what = asset.Ref{Kind: first.Kind, Name: first.Name, Directory: first.Directory}.String()
	}
	if n == max(1, first.Count) {
		return fmt.Sprintf("missing: %s: %s", what, first.Reason)
	}
	return fmt.Sprintf("%s missing, the first: %s: %s", plural(n, "asset"), what, first.Reason)
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// are is so many things with their verb: "1 asset is", "3 assets are".
func are(n int, noun string) string {
	if n == 1 {
		return "1 " + noun + " is"
	}
	return plural(n, noun) + " are"
}

// backupDetail is the answer to GET /backups/{name}.
type backupDetail struct {
	backupSummary
	Manifest *manifestFacts `json:"manifest"`       // null where there is none that proves anything
	Total    int            `json:"total"`          // of the assets
	Matching int            `json:"matching"`       // of the assets that fit the query
	Assets   []vault.Asset  `json:"assets"`         // a page of those
	Next     string         `json:"next,omitempty"` // the value of after that continues the assets
}

// manifestFacts is a manifest without what the summary says already, and without its assets.
type manifestFacts struct {
	FormatVersion int                 `json:"formatVersion"`
	SHA256        string              `json:"sha256"` // of manifest.json as stored
	BackupDate    string              `json:"backupDate"`
	Workspace     vault.Workspace     `json:"workspace"`
	ProjectID     string              `json:"projectId"`
	Region        string              `json:"region"`
	Tool          string              `json:"tool"`
	Totals        map[asset.Kind]int  `json:"totals"`
	Drift         []vault.Drift       `json:"drift"`
	Missing       []vault.Missing     `json:"missing"`
	Unsupported   []vault.Unsupported `json:"unsupported"`
	Previous      *vault.Previous     `json:"previous"`
}

// backup tells what is in one backup.
func (c *console) backup(ctx context.Context, r event.Request, name string) (reply, error) {
	p := &parameters{values: r.Query}
	query := assetQueryOf(p)
	f, err := c.folder(ctx, p, name)
	if err != nil {
		return reply{}, err
	}
	detail, err := c.backupDetail(ctx, f, query)
	if err != nil {
		return reply{}, err
	}
	return jsonReply(http.StatusOK, detail)
}

// backupDetail is how a folder stands, and a page of those of its assets that a query asks for.
func (c *console) backupDetail(ctx context.Context, f *vault.Folder, query assetQuery) (backupDetail, error) {
	found, err := c.inspectFolder(ctx, f)
	if err != nil {
		return backupDetail{}, err
	}
	detail := backupDetail{backupSummary: summaryOf(f, found), Assets: []vault.Asset{}}
	if err := c.addLive(ctx, f, found, &detail.backupSummary); err != nil {
		return backupDetail{}, err
	}
	if m := found.Manifest; m != nil {
		detail.Manifest = &manifestFacts{FormatVersion: m.FormatVersion, SHA256: found.ManifestSHA256, BackupDate: m.BackupDate, Workspace: m.Workspace,
			ProjectID: m.ProjectID, Region: m.Region, Tool: m.Tool, Totals: nonNilMap(m.Totals), Drift: nonNil(m.Drift), Missing: nonNil(m.Missing),
			Unsupported: nonNil(m.Unsupported), Previous: m.Previous}
		matching := query.among(m.Assets)
		detail.Total, detail.Matching = len(m.Assets), len(matching)
		detail.Assets, detail.Next = assetsAfter(matching, query.After, query.Limit)
	}
	return detail, nil
}

// assetsAfter is a page of the assets, by ascending key, and the key after which the next page begins.
func assetsAfter(assets []vault.Asset, after string, limit int) (page []vault.Asset, next string) {
	byKey := func(a, b vault.Asset) int { return strings.Compare(a.Key, b.Key) }
	if !slices.IsSortedFunc(assets, byKey) { // manifests are written in this order, so this is one of another hand
		assets = slices.SortedFunc(slices.Values(assets), byKey)
	}
	if after != "" {
		at, found := slices.BinarySearchFunc(assets, after, func(a vault.Asset, key string) int { return strings.Compare(a.Key, key) })
		if found {
			at++
		}
		assets = assets[at:]
	}
	if len(assets) > limit {
		assets = assets[:limit]
		next = assets[limit-1].Key
	}
	return nonNil(assets), next
}

// folder is the dated folder that a request names. All faults of the request so far are its error.
func (c *console) folder(ctx context.Context, p *parameters, name string) (*vault.Folder, error) {
	if p.folderName("name", name); name == "" {
		p.fault("name: empty, want the name of a backup, like 2026-11-22")
	}
	workspace, ok, err := c.one(ctx, p)
	if err := errors.Join(err, p.err()); err != nil {
		return nil, err
	}
	if !ok {
		return nil, notFound("there is no backup %s: there is none in %s at all", name, c.config.Location)
	}
	v, err := c.place(workspace)
	if err != nil {
		return nil, err
	}
	return v.Folder(name), nil
}

// inspectFolder looks at a folder that has to exist.
func (c *console) inspectFolder(ctx context.Context, f *vault.Folder) (vault.Inspection, error) {
	found, err := f.Inspect(ctx)
	if err != nil {
		return found, err
	}
	if found.State == vault.StateIncomplete && found.Manifest == nil {
		exists, err := f.Exists(ctx)
		if err != nil {
			return found, err
		}
		if !exists {
			return found, notFound("there is no backup at %s", f.Path())
		}
	}
	return found, nil
}

func nonNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func nonNilMap[K comparable, V any](m map[K]V) map[K]V {
	if m == nil {
		return map[K]V{}
	}
	return m
}
