package handler

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed" // the page's template and style
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/event"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

//go:embed page/page.html
var pageText string

//go:embed page/style.css
var pageStyle string

// newestRestorations is how many restorations the page shows; the restore function's GET /restores lists them all.
const newestRestorations = 25

// longestMessage is how much of a message the page shows, in characters.
const longestMessage = 240

// page is the Manage Backup page.
type page struct {
	template *template.Template
	policy   string // its Content-Security-Policy
}

// newPage parses the page. It has no script, and its only style is in the page itself and named by its hash, so a browser that keeps to the policy
// runs and loads nothing that somebody smuggled into a name.
func newPage() *page {
	sum := sha256.Sum256([]byte(pageStyle))
	return &page{
		template: template.Must(template.New("page").Parse(pageText)),
		policy: "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
			"'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	}
}

// pageView is what the page shows.
type pageView struct {
	Style      template.CSS
	Version    string
	Location   string
	Workspace  string
	Workspaces []workspaceLink

	Backups      []backupRow
	BackupsTotal int
	BackupsFault string
	Newest, Next string // links; empty where there is nothing newer or older
	Drills       drillView

	Restorations      []restorationRow
	RestorationsTotal int
	RestorationsFault string
}

type workspaceLink struct {
	ID, Link string
	Current  bool
}

// backupRow is one row of the backups. Texts are as they are shown.
type backupRow struct {
	Name, Date, Path, Status, Message string
	Counts                            []kindCount
	Size, Duration                    string
	Finished                          moment
}

type kindCount struct {
	Kind  string
	Count int
}

// moment is a time for people and for machines; both empty where it is not known.
type moment struct{ Text, Machine string }

// restorationRow is one row of the restorations.
type restorationRow struct {
	ID, From, Workspace, Policy, Status, Message string
	On                                           moment
	Done, Total                                  int
}

// show renders the page. A section that cannot be read says so, and the other one is shown all the same; the status is then 500.
func (c *console) show(ctx context.Context, r event.Request) (reply, error) {
	p := &parameters{values: r.Query}
	after := p.folderName("after", p.text("after"))
	view := pageView{Style: template.CSS(pageStyle), Version: c.options.Version, Location: c.config.Location.String()} //nolint:gosec // our own file
	status := http.StatusOK
	failed := func(section string, err error) string {
		zerolog.Ctx(ctx).Error().Err(err).Str("section", section).Msg("a section of the page could not be read")
		status = http.StatusInternalServerError
		return err.Error()
	}

	known, err := c.knownWorkspaces(ctx)
	if err != nil {
		view.BackupsFault = failed("workspaces", err)
	}
	workspace, err := c.pageWorkspace(p, known)
	if err := errors.Join(err, p.err()); err != nil {
		return reply{}, err
	}
	view.Workspace = workspace
	if workspace != "" && !slices.Contains(known, workspace) {
		known = append(known, workspace)
	}
	for _, id := range known {
		view.Workspaces = append(view.Workspaces, workspaceLink{ID: id, Link: pageLink(id, ""), Current: id == workspace})
	}

	if view.BackupsFault == "" && (workspace != "" || !c.config.Location.PerWorkspace()) {
		list, err := c.listBackups(ctx, workspace, after, normalBackups)
		if err != nil {
			view.BackupsFault = failed("backups", err)
		} else {
			view.fill(list, after)
		}
	}
	restorations, err := c.restorations(ctx)
	if err != nil {
		view.RestorationsFault = failed("restorations", err)
	}
	view.RestorationsTotal = len(restorations)
	for _, one := range restorations[:min(len(restorations), newestRestorations)] {
		view.Restorations = append(view.Restorations, rowOfRestoration(one))
	}

	var body bytes.Buffer
	if err := c.page.template.Execute(&body, view); err != nil {
		return reply{}, fmt.Errorf("render the page: %w", err)
	}
	return reply{status: status, body: body.Bytes(), header: http.Header{
		"Content-Type":            {"text/html; charset=utf-8"},
		"Content-Security-Policy": {c.page.policy},
		"Referrer-Policy":         {"no-referrer"},
	}}, nil
}

// pageWorkspace is the workspace that the page shows: the one asked for, else the first, because the page also offers the others.
func (c *console) pageWorkspace(p *parameters, known []string) (string, error) {
	return c.chooseWorkspace(p, func() ([]string, error) { return known[:min(1, len(known))], nil })
}

func (v *pageView) fill(list backupList, after string) {
	v.Location, v.BackupsTotal, v.Drills = list.Path, list.Total, viewOfDrills(list.Drills)
	for _, b := range list.Backups {
		v.Backups = append(v.Backups, rowOfBackup(b))
	}
	if after != "" {
		v.Newest = pageLink(list.Workspace, "")
	}
	if list.Next != "" {
		v.Next = pageLink(list.Workspace, list.Next)
	}
}

// pageLink is a link to the page itself. It is relative, because a gateway may have put a stage before the path.
func pageLink(workspace, after string) string {
	query := url.Values{}
	if workspace != "" {
		query.Set("workspace", workspace)
	}
	if after != "" {
		query.Set("after", after)
	}
	return "?" + query.Encode()
}

func rowOfBackup(b backupSummary) backupRow {
	row := backupRow{Name: b.Name, Date: dateOf(b.Name), Path: b.Path, Status: string(b.Status), Message: shorten(b.Message)}
	for _, k := range asset.Kinds() {
		if n, ok := b.Counts[k]; ok {
			row.Counts = append(row.Counts, kindCount{Kind: string(k), Count: n})
		}
	}
	if b.Size != nil {
		row.Size = sizeOf(*b.Size)
	}
	if b.DurationMS != nil {
		row.Duration = durationOf(*b.DurationMS)
	}
	if b.FinishedAt != nil {
		row.Finished = momentOf(*b.FinishedAt)
	}
	return row
}

func rowOfRestoration(one restoration) restorationRow {
	if one.fault != nil {
		row := restorationRow{ID: one.id, Status: string(stateUnreadable), Message: shorten(one.fault.Error())}
		if isDamagedReport(one.fault) {
			row.Status = string(vault.StateDamaged)
		}
		return row
	}
	r := one.report
	return restorationRow{ID: one.id, On: momentOf(r.StartedAt), From: r.Backup, Workspace: r.Workspace, Policy: string(r.DuplicateNamePolicy),
		Status: string(r.Status), Message: shorten(r.Message), Done: r.Progress.Done, Total: r.Progress.Total}
}

// dateOf is a folder's name as people write it. It is in the zone that the backup was configured with.
func dateOf(name string) string {
	if t, err := time.Parse("2006-01-02T150405", name); err == nil {
		return t.Format("2006-01-02 15:04:05")
	}
	return name
}

func momentOf(t time.Time) moment {
	if t.IsZero() {
		return moment{}
	}
	t = t.UTC()
	return moment{Text: t.Format("2006-01-02 15:04:05") + " UTC", Machine: t.Format(time.RFC3339)}
}

// sizeOf is a number of bytes in the unit that people would use.
func sizeOf(count int64) string {
	if count < 1<<10 {
		return fmt.Sprintf("%d B", count)
	}
	n, units := float64(count), []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	unit := 0
	for n >= 1023.95 && unit < len(units)-1 { // would read as 1024.0
		n, unit = n/1024, unit+1
	}
	return fmt.Sprintf("%.1f %s", n, units[unit])
}

func durationOf(ms int64) string {
	d := time.Duration(ms) * time.Millisecond
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", ms)
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Truncate(100*time.Millisecond).Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
}

// shorten cuts a message to what fits into a table. The whole of it is in the JSON.
func shorten(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if runes := []rune(text); len(runes) > longestMessage {
		return string(runes[:longestMessage-1]) + "…"
	}
	return text
}
