package factory

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/tidwall/gjson"
)

// WorkspaceInfo is one workspace of a DataArts Studio instance.
type WorkspaceInfo struct {
	ID, Name string
}

// workspacesPageSize is the default that the page of the call documents; no maximum is documented.
const workspacesPageSize = 20

// Workspaces lists the workspaces of a DataArts Studio instance, through the Management Center, which is on the V2 host. A
// list that stays shorter than its count is an error: a workspace left out would not be backed up.
func (c *Client) Workspaces(ctx context.Context, instanceID string) ([]WorkspaceInfo, error) {
	const operation = "list workspaces"
	if c.v2 == nil {
		return nil, &Error{Operation: operation, Message: "no V2 endpoint is configured", Err: ErrUnsupported}
	}
	var found []WorkspaceInfo
	known := map[string]bool{}
	var mu sync.Mutex // pages are read side by side
	s := &series{
		client: c, rowsKey: "data", limit: workspacesPageSize, records: true,
		base: call{
			operation: operation, asset: instanceID, service: c.v2,
			effect: read, method: http.MethodGet, path: c.path("v1", "workspaces", instanceID),
		},
		query: func() url.Values { return url.Values{} },
		progress: func() int {
			mu.Lock()
			defer mu.Unlock()
			return len(found)
		},
		visit: func(raw []byte) (string, error) {
			row := gjson.ParseBytes(raw)
			info := WorkspaceInfo{ID: scalar(row.Get("id")), Name: scalar(row.Get("name"))}
			mu.Lock()
			defer mu.Unlock()
			if info.ID != "" && !known[info.ID] {
				known[info.ID] = true
				found = append(found, info)
			}
			return info.ID, nil
		},
	}
	if err := s.run(ctx); err != nil {
		return nil, unsupported(err)
	}
	if len(s.seen) < s.total {
		return nil, &Error{Operation: operation, Asset: instanceID,
			Err: fmt.Errorf("the service counts %d workspaces and lists %d", s.total, len(s.seen))}
	}
	slices.SortFunc(found, func(a, b WorkspaceInfo) int { return strings.Compare(a.ID, b.ID) })
	return found, nil
}
