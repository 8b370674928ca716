package handler

import (
	"context"
	"fmt"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/history"
	"github.com/dataarts-backup/dataarts-backup/shared/page"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// pictureDepth is how many steps from an asset its picture goes; the JSON goes further.
const pictureDepth, pictureNodes = 3, 60

// fillGraph shows what an asset needs, and what needs it.
func (v *view) fillGraph(ctx context.Context, show *page.AssetView, f *vault.Folder, name string, a vault.Asset) {
	g, err := v.graph(ctx, f, history.GraphQuery{Key: a.Key, Depth: pictureDepth, Limit: pictureNodes})
	if err != nil {
		show.Fault = errorOf(err).message
		return
	}
	var notes []string
	if g.Truncated {
		notes = append(notes, v.say("This is not all: the graph ends after %d assets.", len(g.Nodes)))
	}
	if g.UnreadCount > 0 {
		notes = append(notes, v.say("%d definitions could not be read: more assets may belong to this. The first: %s", g.UnreadCount, strings.Join(g.Unread[:min(1, len(g.Unread))], "")))
	}
	if g.Status != vault.StateComplete {
		notes = append(notes, v.say("The backup is %s, so assets may be missing here.", string(g.Status)))
	}
	if !g.Complete {
		notes = append(notes, v.say("Not everything could be read in time: more assets may belong to this."))
	}
	if len(g.Nodes) == 1 {
		notes = append(notes, v.say("It needs nothing in the workspace, and nothing needs it."))
	}
	show.Note = strings.Join(notes, " ")
	nodes, edges := make([]page.Node, len(g.Nodes)), make([]page.Edge, len(g.Edges))
	for i, n := range g.Nodes {
		nodes[i] = page.Node{Kind: string(n.Kind), Name: n.Name, Absent: n.State != history.Present, Distance: n.Distance}
		if key, _, variable := strings.Cut(n.Key, "#"); n.State == history.Present && n.Key != "" {
			nodes[i].Href = v.links.To("view", "asset", "backup", name, "key", key, "show", map[bool]string{false: showGraph, true: showContent}[variable])
		}
	}
	for i, e := range g.Edges {
		edges[i] = page.Edge{From: e.From, To: e.To}
		show.Edges = append(show.Edges, fmt.Sprintf("%s %s – %s → %s %s", g.Nodes[e.From].Kind, g.Nodes[e.From].Name, e.Type, g.Nodes[e.To].Kind, g.Nodes[e.To].Name))
	}
	if len(nodes) > 1 {
		show.Picture = page.Picture(nodes, edges)
	}
}

// fillHistory shows on which days an asset was changed.
func (v *view) fillHistory(ctx context.Context, show *page.AssetView, name string, a vault.Asset) {
	after := v.folderName("after", v.text("after"))
	ref := asset.Ref{Kind: a.Kind, Name: a.Name, Directory: a.Directory}
	if a.Kind == asset.Env {
		ref.Name = ""
	}
	log, err := v.log(ctx, v.workspace, history.LogQuery{Asset: ref, Limit: pageRows, After: after})
	if err != nil {
		show.Fault = errorOf(err).message
		return
	}
	show.Note = v.searched(log.Searched)
	for _, e := range log.Entries {
		row := page.HistoryRow{Backup: dateOf(e.Backup), Change: e.Change, By: e.By, Reason: e.Reason}
		if e.At != nil {
			row.At = page.MomentOf(*e.At)
		}
		if e.Key != "" && e.Change != history.Removed {
			row.Href = v.links.To("view", "asset", "backup", e.Backup, "key", e.Key)
		}
		if e.Before != "" && e.Change == history.Changed {
			row.DiffLink = v.links.To("view", "compare", "backup", e.Before, "other", e.Backup, "kind", string(a.Kind), "q", ref.Name)
		}
		show.History = append(show.History, row)
	}
	here := []string{"view", "asset", "backup", name, "key", a.Key, "show", showHistory}
	if after != "" {
		show.Newest = v.links.To(here...)
	}
	if log.Next != "" {
		show.Next = v.links.To(append(here, "after", log.Next)...)
	}
}

func (v *view) searched(s history.Searched) string {
	if s.Backups == 0 {
		return v.say("There was no backup to look into.")
	}
	return v.say("%d of %d backups were looked into: %s to %s.", s.Backups, s.Total, dateOf(s.Oldest), dateOf(s.Newest))
}

// find is the view that looks for assets over the backups.
func (v *view) find(ctx context.Context) (page.View, error) {
	criteria := []struct{ name, label string }{{"text", v.say("Text")}, {"name", v.say("Name")}, {"connectionName", v.say("Connection")}, {"database", v.say("Database")}, {"clusterName", v.say("Cluster")}}
	values := map[string]string{}
	show := page.FindView{}
	here := []string{"view", "find"}
	for _, c := range criteria {
		values[c.name] = strings.TrimSpace(v.text(c.name))
		show.Criteria = append(show.Criteria, page.Criterion{Name: c.name, Label: c.label, Value: values[c.name]})
		here = append(here, c.name, values[c.name])
	}
	kind, after := v.assetKind(false), v.text("after")
	here = append(here, "kind", string(kind))
	show.Head, show.Kinds = v.head(v.say("Find"), here...), kindChoices(string(kind))
	show.Fields = v.head("", "view", "find").Fields // the criteria are fields that one sees
	if err := v.err(); err != nil {
		return nil, err
	}
	q := history.FindQuery{Criteria: history.Criteria{Text: values["text"], Name: values["name"], ConnectionName: values["connectionName"], Database: values["database"],
		ClusterName: values["clusterName"], Kind: kind}, Backups: normalSearched, Limit: pageRows, After: after}
	if q.Empty() || v.workspace == "" && v.config.Location.PerWorkspace() {
		return show, nil
	}
	show.Asked = true
	findings, err := v.console.find(ctx, v.workspace, q)
	if err != nil {
		known := errorOf(err)
		if known.status < 409 {
			return nil, err
		}
		show.Fault = known.message
		return show, nil
	}
	show.Searched = v.searched(findings.Searched)
	if !findings.Complete {
		show.Searched += " " + v.say("There is more on the next page.")
	}
	for _, u := range findings.Unsearched {
		show.Unsearched = append(show.Unsearched, fmt.Sprintf("%s: %s", dateOf(u.Backup), u.Reason))
	}
	for _, f := range findings.Assets {
		key, _, _ := strings.Cut(f.Key, "#")
		found := page.Found{Kind: string(f.Kind), Name: f.Name, Where: f.Where, Href: v.links.To("view", "asset", "backup", f.Last, "key", key), Span: dateOf(f.Last)}
		if f.First != f.Last {
			found.Span = v.say("%d, from %s to %s", len(f.Backups), dateOf(f.First), dateOf(f.Last))
		}
		show.Found = append(show.Found, found)
	}
	if after != "" {
		show.Newest = v.links.To(here...)
	}
	if findings.Next != "" {
		show.Next = v.links.To(append(here, "after", findings.Next)...)
	}
	return show, nil
}
