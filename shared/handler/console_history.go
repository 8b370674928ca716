package handler

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/event"
	"github.com/dataarts-backup/dataarts-backup/shared/history"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// How much the answers about the history of assets have, unless the request says otherwise, and at most.
const (
	normalEntries  = 100
	mostEntries    = 1000
	normalFound    = 100
	mostFound      = 500
	normalSearched = 30
	mostSearched   = 400
	normalNodes    = 100
	mostNodes      = 500
	normalDepth    = 2
	mostDepth      = 20
	// mostCriterion is the longest criterion of a search, in characters: no name in DataArts has more.
	mostCriterion = 256
	// keptGraphs is of how many backups the relations are remembered.
	keptGraphs = 3
)

// historyTime is when work on an answer has to end, so that the answer still arrives: some time before the context ends, and before a gateway cuts the
// connection.
func (c *console) historyTime(ctx context.Context) history.Options {
	const most, spare = 25 * time.Second, 2 * time.Second
	until := time.Now().Add(most)
	if deadline, ok := ctx.Deadline(); ok {
		if end := deadline.Add(-min(spare, time.Until(deadline)/4)); end.Before(until) {
			until = end
		}
	}
	return history.Options{Until: until}
}

// lateHistory is the error of an answer for which there was no time at all.
func lateHistory(ctx context.Context, what string, err error) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	return &httpError{status: http.StatusGatewayTimeout, code: codeTimeout, message: what + " did not end in time"}
}

// assetKind reads a parameter that names a kind.
func (p *parameters) assetKind(required bool) asset.Kind {
	text := p.text("kind")
	if text == "" && !required {
		return ""
	}
	kind, err := asset.ParseKind(text)
	if err != nil {
		p.fault("%v", err)
	}
	return kind
}

// number reads a parameter that is a number.
func (p *parameters) number(name string, normal, least, most int) int {
	text := p.text(name)
	if text == "" {
		return normal
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		p.fault("%s: %q: want a number from %d to %d", name, text, least, most)
		return normal
	}
	return n
}

// logRoute reads whose history is asked for.
func (c *console) logRoute(ctx context.Context, r event.Request) (reply, error) {
	p := &parameters{values: r.Query}
	kind := p.assetKind(true)
	q := history.LogQuery{Asset: asset.Ref{Kind: kind, Name: p.text("name"), Directory: p.text("directory")},
		Limit: p.limit(normalEntries, mostEntries), After: p.folderName("after", p.text("after"))}
	if q.Asset.Name == "" && kind != asset.Env {
		p.fault("name: missing, want the name of the asset")
	}
	if q.Asset.Directory != "" && kind == asset.Env {
		p.fault("directory: environment variables have none")
	}
	workspace, ok, err := c.one(ctx, p)
	if err := errors.Join(err, p.err()); err != nil {
		return reply{}, err
	}
	if !ok {
		return jsonReply(http.StatusOK, history.Log{Kind: kind, Name: q.Asset.Name, Entries: []history.Entry{}, Complete: true})
	}
	answer, err := c.log(ctx, workspace, q)
	if err != nil {
		return reply{}, err
	}
	return jsonReply(http.StatusOK, answer)
}

// log is the history of one asset of a workspace, the newest entry first.
func (c *console) log(ctx context.Context, workspace string, q history.LogQuery) (*history.Log, error) {
	v, err := c.place(workspace)
	if err != nil {
		return nil, err
	}
	answer, err := history.ReadLog(ctx, v, q, c.historyTime(ctx))
	return answer, lateHistory(ctx, "the history", err)
}

// findRoute reads what is looked for.
func (c *console) findRoute(ctx context.Context, r event.Request) (reply, error) {
	p := &parameters{values: r.Query}
	criterion := func(name string) string {
		text := p.text(name)
		if n := utf8.RuneCountInString(text); n > mostCriterion {
			p.fault("%s: %d characters, want at most %d", name, n, mostCriterion)
		}
		return text
	}
	q := history.FindQuery{Criteria: history.Criteria{Text: criterion("text"), ConnectionName: criterion("connectionName"), Database: criterion("database"),
		ClusterName: criterion("clusterName"), Name: criterion("name"), Kind: p.assetKind(false)},
		Backups: p.number("backups", normalSearched, 1, mostSearched), Limit: p.limit(normalFound, mostFound), After: p.text("after")}
	if q.Empty() {
		p.fault("want at least one of text, connectionName, database, clusterName and name")
	}
	workspace, ok, err := c.one(ctx, p)
	if err := errors.Join(err, p.err()); err != nil {
		return reply{}, err
	}
	if !ok {
		return jsonReply(http.StatusOK, history.Findings{Assets: []history.Found{}, Unsearched: []history.Unsearched{}, Complete: true})
	}
	answer, err := c.find(ctx, workspace, q)
	if err != nil {
		return reply{}, err
	}
	return jsonReply(http.StatusOK, answer)
}

// find tells which backups of a workspace hold what is looked for.
func (c *console) find(ctx context.Context, workspace string, q history.FindQuery) (*history.Findings, error) {
	v, err := c.place(workspace)
	if err != nil {
		return nil, err
	}
	answer, err := history.Find(ctx, v, q, c.historyTime(ctx))
	if errors.Is(err, history.ErrCursor) {
		return nil, invalid("after: %v", err)
	}
	return answer, lateHistory(ctx, "the search", err)
}

// graphAnswer is the answer to GET /backups/{name}/graph.
type graphAnswer struct {
	Name   string      `json:"name"`
	Path   string      `json:"path"` // obs:// path of the folder
	Status vault.State `json:"status"`
	history.Graph
	// Complete says that every definition was looked at. Where it is false, time ended before, and asking again goes on where the same process answers.
	Complete bool `json:"complete"`
	Searched struct {
		Read  int `json:"read"`  // definitions that were looked at
		Total int `json:"total"` // that there are
	} `json:"searched"`
	Unread      []string `json:"unread"`      // why definitions could not be read, of the first ones
	UnreadCount int      `json:"unreadCount"` // how many could not
}

// graphRoute reads what lies around which asset.
func (c *console) graphRoute(ctx context.Context, r event.Request, name string) (reply, error) {
	p := &parameters{values: r.Query}
	q := history.GraphQuery{Key: p.text("key"), Depth: p.number("depth", normalDepth, 1, mostDepth), Limit: p.limit(normalNodes, mostNodes)}
	if q.Key == "" {
		p.fault("key: missing, want the key of an asset, like 4_jobs/nightly.job")
	}
	f, err := c.folder(ctx, p, name)
	if err != nil {
		return reply{}, err
	}
	answer, err := c.graph(ctx, f, q)
	if err != nil {
		return reply{}, err
	}
	return jsonReply(http.StatusOK, answer)
}

// graph is what an asset of a backup needs, and what needs it.
func (c *console) graph(ctx context.Context, f *vault.Folder, q history.GraphQuery) (*graphAnswer, error) {
	b, state, err := c.openRelated(ctx, f)
	if err != nil {
		return nil, lateHistory(ctx, "the graph", err)
	}
	relations, err := c.graphs.Relations(ctx, b, c.historyTime(ctx))
	if errors.Is(err, vault.ErrNoIdentity) || errors.Is(err, vault.ErrWrongIdentity) {
		return nil, &httpError{status: http.StatusConflict, code: codeConflict, message: fmt.Sprintf("what needs what stands in definitions that cannot be read: %v", err)}
	}
	if err != nil {
		return nil, lateHistory(ctx, "the graph", err)
	}
	graph, ok := relations.Graph(q)
	if !ok {
		return nil, notFound("%s has no asset %q", f.Path(), q.Key)
	}
	answer := &graphAnswer{Name: f.Name, Path: f.Path(), Status: state, Graph: *graph, Complete: relations.Complete(),
		Unread: nonNil(relations.Unread), UnreadCount: relations.UnreadCount}
	answer.Searched.Read, answer.Searched.Total = relations.Read, relations.Total
	return answer, nil
}

// openRelated opens a backup whose manifest can be believed: a complete or a partial one.
func (c *console) openRelated(ctx context.Context, f *vault.Folder) (*vault.Backup, vault.State, error) {
	b, state, reason, err := history.Open(ctx, f)
	if err != nil {
		return nil, state, err
	}
	switch {
	case b != nil:
		return b, state, nil
	case state == history.StateUnreadable:
		return nil, state, errors.New(reason)
	case state == vault.StateIncomplete:
		exists, err := f.Exists(ctx)
		if err != nil {
			return nil, state, err
		}
		if !exists {
			return nil, state, notFound("there is no backup at %s", f.Path())
		}
	}
	return nil, state, &httpError{status: http.StatusConflict, code: codeConflict,
		message: fmt.Sprintf("%s is %s and has no graph: %s", f.Path(), state, strings.ReplaceAll(reason, "\n", "; "))}
}
