package handler

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/dataarts-backup/dataarts-backup/shared/config"
	"github.com/dataarts-backup/dataarts-backup/shared/event"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// How many restores a page of their list has.
const (
	normalRestores = 100
	mostRestores   = 1000
)

// reportsAtOnce is how many reports are read at the same time, of each its head.
const reportsAtOnce = 16

// listTime is how long a list that is looked for something is read on before it is answered with what was found.
const listTime = 25 * time.Second

// starts remembers when restores were started whose ids do not tell.
type starts struct{ *memory[time.Time] }

func newStarts() *starts {
	const most = 20_000
	return &starts{newMemory[time.Time](most)}
}

// restoration is a restore's report, or why it cannot be read.
type restoration struct {
	id     string
	report *restore.Report // without items; nil where fault is set
	fault  error

	started time.Time // by which it is ordered
	read    bool
}

// restoreQuery is which restores are asked for.
type restoreQuery struct {
	workspace string // target; empty: any
	status    string // empty: any
	after     string // id after which the list goes on; empty: from the newest on
	limit     int
}

// restorePage is a page of the restores, the newest first.
type restorePage struct {
	restorations []restoration
	total        int    // of all restores, whatever is asked for
	next         string // the id after which the list goes on; empty at its end
}

// restoreList is the answer to GET /restores.
type restoreList struct {
	Restores []*restore.Report `json:"restores"`
	Next     string            `json:"next,omitempty"` // the value of after that continues the list
}

// restoreQueryOf reads the parameters of a list of restores.
func restoreQueryOf(p *parameters) restoreQuery {
	q := restoreQuery{workspace: p.text("workspace"), status: p.text("status"), after: p.text("after"), limit: p.limit(normalRestores, mostRestores)}
	if q.workspace != "" {
		if err := config.CheckWorkspaceID(q.workspace); err != nil {
			p.fault("workspace: %v", err)
		}
	}
	if known := restoreStatuses(); q.status != "" && !slices.Contains(known, q.status) {
		p.fault("status: %q: want one of %s", q.status, strings.Join(known, ", "))
	}
	if q.after != "" && !restore.IsID(q.after) {
		p.fault("after: %q: want the id of a restore", q.after)
	}
	return q
}

// restoreStatuses are the statuses of a restore in a list: those of a report, and those of one that cannot be read.
func restoreStatuses() []string {
	all := []string{string(vault.StateDamaged), string(stateUnreadable)}
	for _, s := range []restore.Status{restore.Planned, restore.Running, restore.Complete, restore.Partial, restore.Failed, restore.Undone} {
		all = append(all, string(s))
	}
	return all
}

// listRestores serves GET /restores.
func listRestores(ctx context.Context, r event.Request, reports restore.Reports, known *starts) (reply, error) {
	p := &parameters{values: r.Query}
	q := restoreQueryOf(p)
	if err := p.err(); err != nil {
		return reply{}, err
	}
	page, err := pageOfRestores(ctx, reports, known, q)
	if err != nil {
		return reply{}, err
	}
	list := restoreList{Restores: []*restore.Report{}, Next: page.next}
	for _, one := range page.restorations {
		list.Restores = append(list.Restores, one.row())
	}
	return jsonReply(http.StatusOK, list)
}

// row is a restoration as it stands in a list.
func (r restoration) row() *restore.Report {
	if r.fault != nil {
		started, _ := startOf(r.id)
		return &restore.Report{ID: r.id, Status: restore.Status(r.status()), StartedAt: started, Counts: map[string]int{}, Message: r.fault.Error(), Items: []restore.Item{}}
	}
	row := *r.report
	row.Items = []restore.Item{}
	return &row
}

// status is that of the report, or says why there is none.
func (r restoration) status() string {
	switch {
	case r.fault == nil:
		return string(r.report.Status)
	case isDamagedReport(r.fault):
		return string(vault.StateDamaged)
	}
	return string(stateUnreadable)
}

// restores is a page of the restores.
func (c *console) restores(ctx context.Context, q restoreQuery) (restorePage, error) {
	return pageOfRestores(ctx, c.reports(), c.remembered.starts, q)
}

// pageOfRestores lists restores, the newest first. An id that was made up tells when the restore was asked for; the other ids are ordered by when they were started,
// which is read from their reports once and remembered. One whose start cannot be read comes first, so that nobody overlooks it. Beside those, only the reports
// of the page are read, as far as to their items.
func pageOfRestores(ctx context.Context, reports restore.Reports, known *starts, q restoreQuery) (restorePage, error) {
	ids, err := reports.IDs(ctx)
	if err != nil {
		return restorePage{}, err
	}
	l := &restoreListing{reports: reports, known: known}
	if err := l.order(ctx, ids); err != nil {
		return restorePage{}, err
	}
	page := restorePage{restorations: []restoration{}, total: len(l.all)}
	rest := l.all
	if q.after != "" {
		if rest, err = l.after(q.after); err != nil {
			return restorePage{}, err
		}
	}
	work, cancel := working(ctx, listTime)
	defer cancel()
	for len(rest) > 0 && len(page.restorations) < q.limit {
		size := q.limit - len(page.restorations)
		if q.workspace != "" || q.status != "" { // most may not be wanted
			size = max(size, reportsAtOnce)
		}
		batch := rest[:min(len(rest), size)]
		err := l.read(work, batch)
		if err != nil && ctx.Err() == nil && work.Err() != nil && page.next != "" {
			return page, nil // what was found so far; the list goes on behind it
		}
		if err != nil {
			return restorePage{}, err
		}
		for _, one := range batch {
			if len(page.restorations) == q.limit {
				break
			}
			rest, page.next = rest[1:], one.id
			if (one.report != nil || one.fault != nil) && q.wants(one) {
				page.restorations = append(page.restorations, one)
			}
		}
	}
	if len(rest) == 0 {
		page.next = ""
	}
	return page, nil
}

func (q restoreQuery) wants(one restoration) bool {
	if q.status != "" && one.status() != q.status {
		return false
	}
	return q.workspace == "" || one.report != nil && one.report.Workspace == q.workspace
}

// restoreListing is one look at the restores.
type restoreListing struct {
	reports restore.Reports
	known   *starts
	all     []restoration // newest first
}

// madeUp is the form of the ids that are made up where a request names none; see [Options.NewID].
var madeUp = regexp.MustCompile(`^\d{8}T\d{6}Z-[0-9a-f]{8}$`)

// startOf is when the restore with a made-up id was asked for.
func startOf(id string) (time.Time, bool) {
	if !madeUp.MatchString(id) {
		return time.Time{}, false
	}
	at, err := time.Parse("20060102T150405Z", id[:len("20060102T150405Z")])
	return at, err == nil
}

func newestFirst(a, b restoration) int {
	return cmp.Or(b.started.Compare(a.started), strings.Compare(b.id, a.id))
}

// order puts all restores in order.
func (l *restoreListing) order(ctx context.Context, ids []string) error {
	var unknown []restoration
	for _, id := range ids {
		if at, ok := startOf(id); ok {
			l.all = append(l.all, restoration{id: id, started: at})
		} else if at, ok := l.known.recall(l.key(id)); ok {
			l.all = append(l.all, restoration{id: id, started: at})
		} else {
			unknown = append(unknown, restoration{id: id})
		}
	}
	if err := l.read(ctx, unknown); err != nil {
		if ctx.Err() != nil {
			return &httpError{status: http.StatusGatewayTimeout, code: codeTimeout, message: "there are so many restores that they could not be put in order in time; " +
				"what was read is remembered for a while, so ask again"}
		}
		return err
	}
	for _, one := range unknown {
		if one.report != nil || one.fault != nil {
			l.all = append(l.all, one)
		}
	}
	slices.SortFunc(l.all, newestFirst)
	return nil
}

func (l *restoreListing) key(id string) string { return l.reports.Root + "\n" + id }

// after is what comes after the restore with that id.
func (l *restoreListing) after(id string) ([]restoration, error) {
	at := restoration{id: id}
	if i := slices.IndexFunc(l.all, func(one restoration) bool { return one.id == id }); i >= 0 {
		at = l.all[i]
	} else if started, ok := startOf(id); ok {
		at.started = started
	} else {
		return nil, invalid("after: there is no restore %q", id)
	}
	first, _ := slices.BinarySearchFunc(l.all, at, newestFirst)
	if first < len(l.all) && l.all[first].id == id {
		first++
	}
	return l.all[first:], nil
}

// read reads the reports that have not been read. One that is not there is left without report and fault: a folder that is none, or a restore that was killed
// before its first report.
func (l *restoreListing) read(ctx context.Context, batch []restoration) error {
	// A time before which nothing of ours was started says of what cannot be read that it was started last.
	unreadable := time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	var group errgroup.Group
	group.SetLimit(reportsAtOnce)
	for i := range batch {
		one := &batch[i]
		if one.read {
			continue
		}
		group.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			report, err := l.reports.Head(ctx, one.id)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			one.read = true
			_, tells := startOf(one.id)
			switch {
			case errors.Is(err, restore.ErrNoReport):
			case err != nil:
				zerolog.Ctx(ctx).Error().Err(err).Str("restore", one.id).Msg("the report could not be read")
				one.fault = err
				if one.started.IsZero() {
					one.started = unreadable
				}
			default:
				one.report = report
				if !tells {
					// One that was asked for anew under the same id stands where it did, until it is asked for the next time.
					l.known.keep(l.key(one.id), report.StartedAt)
				}
				if one.started.IsZero() {
					one.started = report.StartedAt
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("read the reports of restores: %w", err)
	}
	return nil
}

// isDamagedReport tells a report that is no JSON from one that the store did not give out.
func isDamagedReport(err error) bool {
	_, syntax := errors.AsType[*json.SyntaxError](err)
	_, kind := errors.AsType[*json.UnmarshalTypeError](err)
	return syntax || kind
}
