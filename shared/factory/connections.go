package factory

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"

	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
)

// triesOfConnections is how often a page of connections is asked for. Nothing depends on it but advice, for which a restore does not wait half a minute.
const triesOfConnections = 3

// Connections lists the names of the workspace's data connections, in ascending order. Their passwords never leave the service: the list has asterisks
// in their place, and this call keeps names only.
//
// The list is on its way to be taken offline (page "Querying a Connection List (to Be Taken Offline)"), and not everybody who may write jobs may see
// it: the error is ErrUnsupported where the endpoint does not have it, ErrUnauthorized where it is refused. A list that stays shorter than its total is an
// error, because a connection that is not shown might be taken for one that does not exist.
func (w *Workspace) Connections(ctx context.Context) ([]string, error) {
	const operation = "list connections"
	names := map[string]bool{}
	var mu sync.Mutex // pages are read side by side
	s := &series{
		client: w.client, rowsKey: "connections", limit: min(w.client.options.PageSize, DefaultPageSize),
		base: call{
			operation: operation, service: w.client.v1, workspace: w.id,
			effect: read, method: http.MethodGet, path: w.client.path("v1", "connections"),
			attempts: triesOfConnections,
		},
		query: func() url.Values { return url.Values{} },
		progress: func() int {
			mu.Lock()
			defer mu.Unlock()
			return len(names)
		},
		visit: func(raw []byte) (string, error) {
			name := rawjson.StringAt(raw, "name")
			if name != "" {
				mu.Lock()
				defer mu.Unlock()
				names[name] = true
			}
			return name, nil
		},
	}
	err := s.run(ctx)
	var e *Error
	if errors.As(err, &e) && (e.StatusCode == http.StatusNotFound || e.StatusCode == http.StatusMethodNotAllowed || e.StatusCode == http.StatusNotImplemented) {
		e.Err = ErrUnsupported
	}
	if err != nil {
		return nil, err
	}
	if len(s.seen) < s.total {
		return nil, &Error{Operation: operation, Err: fmt.Errorf("the service counts %d connections and lists %d", s.total, len(s.seen))}
	}
	all := make([]string, 0, len(names))
	for name := range names {
		all = append(all, name)
	}
	slices.Sort(all)
	return all, nil
}
