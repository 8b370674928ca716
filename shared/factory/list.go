package factory

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"sync"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
)

// Listing is what came out of listing one kind of asset.
type Listing struct {
	// Total is how many assets the API said there are when it was last asked; for jobs, batch and real-time together.
	Total int
	// Unique is how many different assets the API showed of that total. When it is less than Total, the API claims
	// assets that it does not list; when it is more, the total is too low.
	Unique int
	// Pages is how many pages were read, those of repeated passes included.
	Pages int
	// Unreadable is how many rows of the last pass are no asset: null, or without a name.
	Unreadable int
	// Restless says that the total was not the same in all pages of the last pass.
	Restless bool
	// Settled says that the last pass found the total unchanging and exactly that many assets, in pages that joined
	// wherever that can be seen. When it is false although nothing is missing, the workspace was edited meanwhile, the
	// API lists in no fixed order, or its total is too low.
	Settled bool
}

// Missing is how many assets the API claims to have and never listed.
func (l Listing) Missing() int { return max(0, l.Total-l.Unique) }

// List calls fn once for every asset of a kind, one at a time, in the order met, while the answers are still coming in: several pages are
// read side by side. Jobs are listed twice,
// BATCH and REAL_TIME, because the API shows only batch jobs by default. A listing that lost rows between pages is repeated a
// few times, and fn called for what is new; if assets are missing in the end that is no error, the Listing says it.
//
// An error of fn ends the listing and is returned as it is. On any error the Listing holds what was seen so far.
func (w *Workspace) List(ctx context.Context, kind asset.Kind, fn func(Row) error) (Listing, error) {
	var jobTypes []string
	switch kind {
	case asset.Jobs:
		jobTypes = []string{"BATCH", "REAL_TIME"}
	case asset.Scripts, asset.Resources:
		jobTypes = []string{""}
	default:
		return Listing{}, fmt.Errorf("list %s: not a kind that can be listed", kind)
	}
	var listing Listing
	delivered := map[string]bool{}
	shown := map[string]bool{}
	var mu sync.Mutex // pages of one listing are read side by side
	listing.Settled = true
	for _, jobType := range jobTypes {
		s := w.series(kind, jobType, func(row Row) (string, error) {
			identity := row.Ref.Identity()
			key := identity.Directory + "\x00" + identity.Name
			mu.Lock()
			defer mu.Unlock()
			if delivered[key] {
				return key, nil
			}
			if row.JobType == "" {
				row.JobType = jobType
			}
			if err := fn(row); err != nil {
				return "", callbackError{err}
			}
			delivered[key] = true
			return key, nil
		}, func() int {
			mu.Lock()
			defer mu.Unlock()
			return len(delivered)
		})
		err := s.run(ctx)
		listing.Pages += int(s.pages.Load())
		listing.Settled, listing.Restless = listing.Settled && s.settled, listing.Restless || !s.steady
		listing.Unreadable += s.odd
		listing.Total += s.total
		for key := range s.seen {
			if shown[key] {
				listing.Total-- // Shown under both job types, and counted in both totals.
			}
			shown[key] = true
		}
		listing.Unique = len(shown)
		if err != nil {
			listing.Settled = false
			return listing, err
		}
	}
	return listing, nil
}

// series prepares the listing of one kind of asset, or of one job type.
func (w *Workspace) series(kind asset.Kind, jobType string, visit func(Row) (string, error), progress func() int) *series {
	limit, larger := min(w.client.options.PageSize, DefaultPageSize), 0
	if kind == asset.Jobs {
		if known := int(w.client.jobPages.Load()); known != 0 {
			limit = known
		} else {
			larger = w.client.options.PageSize
		}
	}
	base := call{
		operation: "list " + string(kind), service: w.client.v1, workspace: w.id,
		effect: read, method: http.MethodGet, path: w.client.path("v1", string(kind)),
	}
	if jobType == "REAL_TIME" {
		base.operation = "list real-time jobs"
	}
	return &series{
		client: w.client, base: base, rowsKey: string(kind), limit: limit, larger: larger, progress: progress,
		query: func() url.Values {
			if jobType == "" {
				return url.Values{}
			}
			return url.Values{"jobType": {jobType}}
		},
		visit: func(raw []byte) (string, error) {
			row, ok := parseRow(kind, raw)
			if !ok {
				return "", nil // Not counted, so it shows up as missing.
			}
			return visit(row)
		},
	}
}
