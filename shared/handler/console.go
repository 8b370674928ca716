package handler

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/shared/config"
	"github.com/dataarts-backup/dataarts-backup/shared/event"
	"github.com/dataarts-backup/dataarts-backup/shared/history"
	"github.com/dataarts-backup/dataarts-backup/shared/page"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
	"github.com/dataarts-backup/dataarts-backup/shared/runtime"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// Console is the console function: by HTTP it serves the Manage Backup page and its JSON API. Of the bucket it writes backup.json, when an operator edits it, and the
// records of verifications; backups are taken by the backup function, which it starts, and restores are asked for at the restore function. It reads DataArts
// where a backup is compared with the live workspace.
func Console(options Options) runtime.Handler {
	options = options.withDefaults()
	renderer, known, graphs := page.New(), newRemembered(), history.NewCache(keptGraphs)
	return func(ctx context.Context, inv runtime.Invocation) (any, error) {
		e, err := event.Decode(inv.Payload)
		if err != nil {
			return nil, failure("BadRequest", err)
		}
		request, ok := e.(event.Request)
		if !ok {
			return nil, failure("BadRequest", fmt.Errorf("the console function takes an HTTP request (APIG, API Gateway, function URL), and got: %s", e.Trigger()))
		}
		ctx, s, err := options.open(ctx, config.Console, inv)
		if err != nil {
			return unusable(ctx, request, err)
		}
		c := &console{session: s, page: renderer, remembered: known, graphs: graphs}
		return serve(ctx, c.routes(ctx), request)
	}
}

// console is one invocation of the console function.
type console struct {
	*session
	page       *page.Page
	remembered *remembered
	graphs     *history.Cache
	below      string // the folder below the location whose backups the request asks about, see readBelow; empty for the location itself
}

func (c *console) routes(ctx context.Context) []route {
	return []route{
		{method: http.MethodGet, pattern: "/", serve: func(r event.Request, _ []string) (reply, error) { return c.show(ctx, r) }},
		{method: http.MethodGet, pattern: "/backups", serve: func(r event.Request, _ []string) (reply, error) { return c.backups(ctx, r) }},
		{method: http.MethodPost, pattern: "/backups", serve: func(r event.Request, _ []string) (reply, error) { return c.postBackups(ctx, r) }},
		{method: http.MethodGet, pattern: "/backups/{name}", serve: func(r event.Request, p []string) (reply, error) { return c.backup(ctx, r, p[0]) }},
		{method: http.MethodGet, pattern: "/backups/{name}/diff/{other}", serve: func(r event.Request, p []string) (reply, error) { return c.diffRoute(ctx, r, p[0], p[1]) }},
		{method: http.MethodGet, pattern: "/backups/{name}/asset", serve: func(r event.Request, p []string) (reply, error) { return c.assetRoute(ctx, r, p[0]) }},
		{method: http.MethodGet, pattern: "/backups/{name}/document", serve: func(r event.Request, p []string) (reply, error) { return c.documentRoute(ctx, r, p[0]) }},
		{method: http.MethodPut, pattern: "/backups/{name}/document", maxBody: maxDocument, serve: func(r event.Request, p []string) (reply, error) { return c.editRoute(ctx, r, p[0]) }},
		{method: http.MethodGet, pattern: "/backups/{name}/export", serve: func(r event.Request, p []string) (reply, error) { return c.exportRoute(ctx, r, p[0]) }},
		{method: http.MethodPost, pattern: "/backups/{name}/verify", serve: func(r event.Request, p []string) (reply, error) { return c.verifyBackup(ctx, r, p[0]) }},
		{method: http.MethodGet, pattern: "/calendar", serve: func(r event.Request, _ []string) (reply, error) { return c.showCalendar(ctx, r) }},
		{method: http.MethodGet, pattern: "/schedule", serve: func(r event.Request, _ []string) (reply, error) { return c.showSchedule(ctx, r) }},
		{method: http.MethodPut, pattern: "/schedule", serve: func(r event.Request, _ []string) (reply, error) { return c.putSchedule(ctx, r) }},
		{method: http.MethodGet, pattern: "/backups/{name}/graph", serve: func(r event.Request, p []string) (reply, error) { return c.graphRoute(ctx, r, p[0]) }},
		{method: http.MethodGet, pattern: "/log", serve: func(r event.Request, _ []string) (reply, error) { return c.logRoute(ctx, r) }},
		{method: http.MethodGet, pattern: "/find", serve: func(r event.Request, _ []string) (reply, error) { return c.findRoute(ctx, r) }},
		{method: http.MethodGet, pattern: "/folders", serve: func(r event.Request, _ []string) (reply, error) { return c.folders(ctx, r) }},
	}
}

// reports is where the reports of restores lie.
func (c *console) reports() restore.Reports {
	l := c.config.Location
	return restore.Reports{Store: c.store.Bucket(l.Bucket), Root: l.Root()}
}

// parameters reads a query string. Parameters that it is not asked for are ignored, as gateways add their own; those it is asked for are checked, and
// all their faults come at once.
type parameters struct {
	values url.Values
	faults []string
}

func (p *parameters) fault(format string, args ...any) {
	p.faults = append(p.faults, fmt.Sprintf(format, args...))
}

// err is a 400 with all faults, or nil.
func (p *parameters) err() error {
	if len(p.faults) == 0 {
		return nil
	}
	return invalid("%s", strings.Join(p.faults, "; "))
}

// text is the value of a parameter; empty if there is none.
func (p *parameters) text(name string) string {
	values := p.values[name]
	if len(values) > 1 {
		p.fault("%s: given %d times, want it once", name, len(values))
	}
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// limit is how many entries a page of the answer has.
func (p *parameters) limit(normal, most int) int {
	text := p.text("limit")
	if text == "" {
		return normal
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		p.fault("limit: %q: want a number from 1 to %d", text, most)
		return normal
	}
	return n
}

// folderName checks a text that should be the name of a backup.
func (p *parameters) folderName(what, name string) string {
	if name != "" && !vault.IsFolderName(name) {
		p.fault("%s: %q: want the name of a backup, like 2026-11-22 or 2026-11-22T153000", what, name)
	}
	return name
}
