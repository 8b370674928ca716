package handler

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/event"
	"github.com/dataarts-backup/dataarts-backup/shared/page"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// How much the page shows at once. All of it is in the JSON.
const (
	pageBackups      = 30
	pageRestorations = 25
	pageDays         = 35
	pageRows         = 100
)

// scheduleTime is how long the page waits to be told of the timer: it shows the backups without.
const scheduleTime = 4 * time.Second

// view is one rendering of the page: who asks, for what, and in which language.
type view struct {
	*console
	parameters
	request    event.Request
	language   string
	links      page.Links
	workspaces []string // that are known
	workspace  string
	failed     bool // a section could not be read
	secret     bool // it reveals values that nobody may keep
}

// show answers GET /: a file of the page, or one of its views.
func (c *console) show(ctx context.Context, r event.Request) (reply, error) {
	p := parameters{values: r.Query}
	if name := p.text("file"); name != "" {
		return c.pageFile(name)
	}
	v := &view{console: c, parameters: p, request: r, language: page.Negotiate(p.text("lang"), r.Header.Get("Accept-Language"))}
	if asked := p.text("lang"); asked != "" {
		v.links.Language = v.language
		if !slices.Contains(page.Languages(), asked) {
			v.fault("lang: %q: want one of %s", asked, strings.Join(page.Languages(), ", "))
		}
	}
	shown, err := v.show(ctx)
	if err == nil {
		err = v.err()
	}
	status := http.StatusOK
	if err != nil {
		if !strings.Contains(r.Header.Get("Accept"), "text/html") {
			return reply{}, err
		}
		shown, status = v.failure(ctx, err)
	}
	if v.failed {
		status = http.StatusInternalServerError
	}
	body, err := c.page.Render(v.language, shown)
	if err != nil {
		return reply{}, err
	}
	return reply{status: status, body: body, secret: v.secret, header: http.Header{
		"Content-Type":            {"text/html; charset=utf-8"},
		"Content-Security-Policy": {c.page.Policy()},
		"Content-Language":        {v.language},
		"Vary":                    {"Accept-Language"},
	}}, nil
}

// pageFile answers with the page's style or script. The name changes with the content, so it may be kept.
func (c *console) pageFile(name string) (reply, error) {
	f, ok := c.page.File(name)
	if !ok {
		return reply{}, notFound("the page has no file %q", name)
	}
	return reply{status: http.StatusOK, body: f.Body, header: http.Header{
		"Content-Type": {f.ContentType}, "Cache-Control": {"private, max-age=31536000, immutable"},
	}}, nil
}

// show finds the view that is asked for.
func (v *view) show(ctx context.Context) (page.View, error) {
	var err error
	if v.workspaces, err = v.knownWorkspaces(ctx); err != nil {
		v.logged(ctx, "workspaces", err)
	}
	unknown := err
	// The page shows the first workspace where none is asked for, because it also offers the others.
	v.workspace, err = v.chooseWorkspace(&v.parameters, func() ([]string, error) { return v.workspaces[:min(1, len(v.workspaces))], nil })
	if err := errors.Join(err, v.err()); err != nil {
		return nil, err
	}
	if v.workspace != "" && !slices.Contains(v.workspaces, v.workspace) {
		v.workspaces = append(v.workspaces, v.workspace)
	}
	v.links.Workspace, v.links.Folder = v.workspace, v.below
	switch name := v.text("view"); name {
	case "":
		return v.main(ctx, unknown)
	case "backup":
		return v.backup(ctx)
	case "asset":
		return v.asset(ctx)
	case "document":
		return v.document(ctx)
	case "compare":
		return v.compare(ctx)
	case "find":
		return v.find(ctx)
	case "restore":
		return v.restore(ctx)
	default:
		return nil, invalid("view: %q: there is no such view", name)
	}
}

// head is what every view has. fields are the parameters, as pairs of name and value, with which the view is asked for.
func (v *view) head(title string, fields ...string) page.Head {
	h := page.Head{Title: title, Version: v.options.Version, Location: v.config.Location.String(), Workspace: v.workspace, Folder: v.below, Links: v.links}
	if place, err := v.place(v.workspace); err == nil && (v.workspace != "" || !v.config.Location.PerWorkspace()) {
		h.Location = place.Path()
	}
	for _, id := range v.workspaces {
		h.Workspaces = append(h.Workspaces, page.Link{Text: id, Href: v.links.To("workspace", id, "folder", ""), Current: id == v.workspace})
	}
	here := func(language string) string {
		links := v.links
		links.Language = language
		return links.To(fields...)
	}
	for _, language := range page.Languages() {
		h.Languages = append(h.Languages, page.Link{Text: language, Href: here(language), Current: language == v.language})
	}
	for _, one := range [][2]string{{"workspace", v.links.Workspace}, {"folder", v.links.Folder}, {"lang", v.links.Language}} {
		if one[1] != "" {
			h.Fields = append(h.Fields, page.Field{Name: one[0], Value: one[1]})
		}
	}
	for i := 0; i+1 < len(fields); i += 2 {
		if fields[i+1] != "" {
			h.Fields = append(h.Fields, page.Field{Name: fields[i], Value: fields[i+1]})
		}
	}
	return h
}

func (v *view) say(text string, arguments ...any) string {
	return page.Say(v.language, text, arguments...)
}

// failure is the view of an error.
func (v *view) failure(ctx context.Context, err error) (page.View, int) {
	known := errorOf(err)
	status, message := known.status, known.message
	if status >= http.StatusInternalServerError {
		zerolog.Ctx(ctx).Error().Err(err).Msg("a view could not be shown")
	}
	return page.Failure{Head: v.head(v.say("This cannot be shown")), Message: message}, status
}

// logged notes that a section cannot be read; what is shown of it is the error.
func (v *view) logged(ctx context.Context, section string, err error) string {
	zerolog.Ctx(ctx).Error().Err(err).Str("section", section).Msg("a section of the page could not be read")
	v.failed = true
	return err.Error()
}

// main is the view of the backups and of the restorations. A section that cannot be read says so, and the others are shown all the same.
func (v *view) main(ctx context.Context, unknown error) (page.View, error) {
	after, tab := v.folderName("after", v.text("after")), v.text("tab")
	restored := v.text("restored")
	m := page.Main{Head: v.head(v.say("Manage Backup"), "tab", tab), Restoring: tab == "restorations"}
	var sections sync.WaitGroup
	var backupsErr, restorationsErr error
	sections.Go(func() { m.Schedule = v.timer(ctx) })
	sections.Go(func() { restorationsErr = v.fillRestorations(ctx, &m, restored) })
	if unknown != nil {
		backupsErr = unknown
	} else if v.workspace != "" || !v.config.Location.PerWorkspace() {
		// The strip after the list: it believes a commit unless somebody has looked into the folder.
		if backupsErr = v.fillBackups(ctx, &m, after); backupsErr == nil {
			m.Calendar = v.days(ctx)
		}
	}
	sections.Wait()
	if wrong, ok := errors.AsType[*httpError](restorationsErr); ok && wrong.status < http.StatusInternalServerError {
		return nil, restorationsErr
	}
	if backupsErr != nil {
		m.BackupsFault = v.logged(ctx, "backups", backupsErr)
	}
	if restorationsErr != nil {
		m.RestorationsFault = v.logged(ctx, "restorations", restorationsErr)
	}
	for _, b := range m.Backups {
		m.Live = m.Live || b.Progress != nil
	}
	for _, r := range m.Restorations {
		m.Live = m.Live || r.Status == string(running)
	}
	return m, nil
}

func (v *view) fillBackups(ctx context.Context, m *page.Main, after string) error {
	list, err := v.listBackups(ctx, v.workspace, after, pageBackups)
	if err != nil {
		return err
	}
	m.Location, m.BackupsTotal, m.Drills = list.Path, list.Total, viewOfDrills(list.Drills)
	for _, b := range list.Backups {
		m.Backups = append(m.Backups, v.rowOfBackup(b))
		if b.Status == vault.StateComplete || b.Status == vault.StatePartial {
			m.Choice = append(m.Choice, b.Name)
		}
	}
	if after != "" {
		m.Newest = v.links.To()
	}
	if list.Next != "" {
		m.Next = v.links.To("after", list.Next)
	}
	return nil
}

// days are the days of the calendar strip; none where they cannot be read: the list of the backups says why.
func (v *view) days(ctx context.Context) []page.Day {
	calendar, err := v.calendar(ctx, v.workspace, time.Time{}, pageDays)
	if err != nil {
		zerolog.Ctx(ctx).Error().Err(err).Msg("the calendar could not be made")
		return nil
	}
	var days []page.Day
	for i, d := range calendar.Days {
		date, err := time.Parse(dayLayout, d.Date)
		if err != nil {
			continue
		}
		day := page.Day{Date: d.Date, Day: date.Format("2"), State: string(d.State), Verified: d.Verified, Unseen: !d.Inspected}
		if i == 0 || date.Day() == 1 {
			day.Month = v.say(date.Format("Jan"))
		}
		if len(d.Backups) > 0 {
			day.Href = v.links.To("view", "backup", "backup", d.Backups[0])
		}
		days = append(days, day)
	}
	return days
}

func (v *view) rowOfBackup(b backupSummary) page.Backup {
	row := page.Backup{Name: b.Name, Date: dateOf(b.Name), Path: b.Path, Status: string(b.Status), Message: page.Shorten(b.Message),
		Href: v.links.To("view", "backup", "backup", b.Name), Restorable: slices.Contains([]vault.State{vault.StateComplete, vault.StatePartial, vault.StateUnverified}, b.Status)}
	for _, k := range asset.Kinds() {
		if n, ok := b.Counts[k]; ok {
			row.Counts = append(row.Counts, page.Count{Kind: string(k), Count: n})
		}
	}
	if b.Size != nil {
		row.Size = page.Size(*b.Size)
	}
	if b.DurationMS != nil {
		row.Duration = page.Duration(*b.DurationMS)
	}
	if b.FinishedAt != nil {
		row.Finished = page.MomentOf(*b.FinishedAt)
	}
	if b.Verified != nil {
		row.Verified = &page.Verified{Status: string(b.Verified.Status), At: page.MomentOf(b.Verified.At), Message: page.Shorten(b.Verified.Message)}
	}
	if b.Progress != nil && b.Progress.Running {
		row.Progress = &page.Progress{Done: b.Progress.Done}
		if b.Progress.Total != nil {
			row.Progress.Total = *b.Progress.Total
		}
	}
	return row
}

func (v *view) fillRestorations(ctx context.Context, m *page.Main, after string) error {
	found, err := v.restores(ctx, restoreQuery{limit: pageRestorations, after: after})
	if err != nil {
		return err
	}
	m.RestorationsTotal = found.total
	for _, one := range found.restorations {
		m.Restorations = append(m.Restorations, v.rowOfRestoration(one))
	}
	if after != "" {
		m.Recent = v.links.To("tab", "restorations")
	}
	if found.next != "" {
		m.RestorationsNext = v.links.To("tab", "restorations", "restored", found.next)
	}
	return nil
}

func (v *view) rowOfRestoration(one restoration) page.Restoration {
	row := page.Restoration{ID: one.id, Href: v.links.To("view", "restore", "id", one.id)}
	if one.fault != nil {
		row.Status, row.Message = string(stateUnreadable), page.Shorten(one.fault.Error())
		if isDamagedReport(one.fault) {
			row.Status = string(vault.StateDamaged)
		}
		return row
	}
	r := one.report
	row.On, row.From, row.Workspace, row.Policy = page.MomentOf(r.StartedAt), r.Backup, r.Workspace, string(r.DuplicateNamePolicy)
	row.Status, row.Message = string(r.Status), page.Shorten(r.Message)
	if r.Status != restore.Planned { // of which nothing is under way
		row.Done, row.Total = r.Progress.Done, r.Progress.Total
	}
	return row
}

// timer is the daily backup's timer. That it cannot be asked is said and hides nothing else.
func (v *view) timer(ctx context.Context) page.Schedule {
	if v.config.BackupFunction == "" {
		return page.Schedule{Fault: v.say("BACKUP_FUNCTION is not set: the console does not know which timer to look at, and cannot start a backup.")}
	}
	ctx, cancel := context.WithTimeout(ctx, scheduleTime)
	defer cancel()
	s, err := v.schedule(ctx, "")
	if err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Msg("the timer of the daily backup could not be asked")
		return page.Schedule{Fault: errorOf(err).message, CanRun: true}
	}
	shown := page.Schedule{Known: s.Trigger != "", Enabled: s.Enabled, Message: s.Message, Folder: s.Folder, Path: s.Path, Trigger: s.Trigger, Expression: s.Expression, CanRun: true}
	if s.Folder != v.below {
		shown.Elsewhere = v.links.To("folder", s.Folder)
	}
	if s.NextRun != nil {
		shown.Next = page.MomentOf(*s.NextRun)
	}
	return shown
}

// dateOf is a folder's name as people write it. It is in the zone that the backup was configured with.
func dateOf(name string) string {
	if t, err := time.Parse("2006-01-02T150405", name); err == nil {
		return t.Format("2006-01-02 15:04:05")
	}
	return name
}

// pageOf cuts one page out of a list: up to limit entries from a position on, and where the next page begins; 0 where there is none.
func pageOf[T any](list []T, from, limit int) (cut []T, next int) {
	from = min(max(from, 0), len(list))
	to := min(from+limit, len(list))
	if to < len(list) {
		next = to
	}
	return list[from:to], next
}

// position reads the parameter that says where a page begins.
func (p *parameters) position(name string) int {
	text := cmp.Or(p.text(name), "0")
	n := 0
	for _, digit := range text {
		if digit < '0' || digit > '9' || n > 1<<30 {
			p.fault("%s: %q: want a number", name, text)
			return 0
		}
		n = n*10 + int(digit-'0')
	}
	return n
}
