package handler

import (
	"context"
	"fmt"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/compare"
	"github.com/dataarts-backup/dataarts-backup/shared/page"
)

// compared is the view of what differs between two backups, or between a backup and the live workspace.
func (v *view) compare(ctx context.Context) (page.View, error) {
	name, other, query, kind, change, after := v.text("backup"), v.text("other"), strings.TrimSpace(v.text("q")), v.text("kind"), v.text("change"), v.text("after")
	request := diffRequest{Workspace: v.workspace, Name: name, OtherWorkspace: v.workspace, Other: other, Query: query, Change: compare.What(change), After: after, Limit: pageRows}
	if change != "" {
		if _, err := compare.ParseWhat(change); err != nil {
			v.fault("change: %v", err)
		}
	}
	if kind != "" {
		k, err := asset.ParseKind(kind)
		if err != nil {
			v.fault("kind: %v", err)
		}
		request.Kind = k
	}
	here := func(pairs ...string) []string {
		return append([]string{"view", "compare", "backup", name, "other", other}, pairs...)
	}
	show := page.CompareView{Head: v.head(v.say("Comparison"), here("change", change)...), From: dateOf(name), To: dateOf(other), Query: query, Kinds: kindChoices(kind)}
	if err := v.err(); err != nil {
		return nil, err
	}
	if other != live {
		show.Turned = v.links.To("view", "compare", "backup", other, "other", name)
	}
	answer, err := v.diff(ctx, request)
	if err != nil {
		known := errorOf(err)
		if known.status < 409 { // the request itself is wrong
			return nil, err
		}
		show.Fault = known.message
		return show, nil
	}
	show.Message, show.Total = answer.Message, answer.Total
	for _, tile := range []struct {
		what  compare.What
		count int
	}{{compare.Removed, answer.Counts.Removed}, {compare.Changed, answer.Counts.Changed}, {compare.Added, answer.Counts.Added}, {compare.Unknown, answer.Counts.Unknown}} {
		if tile.what == compare.Unknown && tile.count == 0 {
			continue
		}
		one := page.Tile{Word: string(tile.what), Count: tile.count, Current: change == string(tile.what), Href: v.links.To(here("change", string(tile.what), "q", query, "kind", kind)...)}
		if one.Current {
			one.Href = v.links.To(here("q", query, "kind", kind)...)
		}
		show.Tiles = append(show.Tiles, one)
	}
	for i, item := range answer.Items {
		show.Items = append(show.Items, v.itemOfComparison(fmt.Sprintf("item-%d", i), item))
	}
	if after != "" {
		show.Newest = v.links.To(here("change", change, "q", query, "kind", kind)...)
	}
	if answer.Next != "" {
		show.Next = v.links.To(here("change", change, "q", query, "kind", kind, "after", answer.Next)...)
	}
	return show, nil
}

func (v *view) itemOfComparison(id string, item compare.Item) page.Item {
	shown := page.Item{ID: id, Word: string(item.Change), Kind: string(item.Kind), Name: item.Name, Directory: item.Directory, Reason: item.Reason, MoreChanges: item.MoreChanges}
	if item.RenamedFrom != "" {
		shown.Reason = strings.TrimSpace(shown.Reason + " " + v.say("has the content that %s had", item.RenamedFrom))
	}
	if item.RenamedTo != "" {
		shown.Reason = strings.TrimSpace(shown.Reason + " " + v.say("its content is now that of %s", item.RenamedTo))
	}
	if item.By != "" && item.At != nil && shown.Reason == "" {
		shown.Reason = v.say("by %s, %s", item.By, page.MomentOf(*item.At).Text)
	}
	for _, c := range item.Changes {
		shown.Changes = append(shown.Changes, page.Change{Field: c.Field, From: c.From, To: c.To, Diff: c.Diff})
	}
	return shown
}
