package handler

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"html/template"
	"net/url"
	"slices"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/page"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// backup is the view of a backup opened: its facts, and its assets.
func (v *view) backup(ctx context.Context) (page.View, error) {
	name, kind := v.text("backup"), v.text("kind")
	query := assetQueryOf(&v.parameters)
	query.Limit = pageRows
	f, err := v.folder(ctx, &v.parameters, name)
	if err != nil {
		return nil, err
	}
	detail, err := v.backupDetail(ctx, f, query)
	if err != nil {
		return nil, err
	}
	here := []string{"view", "backup", "backup", name}
	show := page.BackupView{Head: v.head(v.say("Backup of %s", dateOf(name)), here...), Backup: v.rowOfBackup(detail.backupSummary),
		CanVerify: detail.Status == vault.StateComplete || detail.Status == vault.StateDamaged, Proved: detail.Manifest != nil, Query: query.Text, Kinds: kindChoices(kind), Total: detail.Matching}
	show.Backup.Message = detail.Message // whole
	if detail.Verified != nil {
		show.Backup.Verified.Message = detail.Verified.Message
	}
	if detail.Status == vault.StateComplete {
		show.DocumentLink = v.links.To("view", "document", "backup", name)
	}
	if slices.Contains([]vault.State{vault.StateComplete, vault.StatePartial, vault.StateUnverified}, detail.Status) {
		show.LiveLink = v.links.To("view", "compare", "backup", name, "other", live)
	}
	show.Live = show.Backup.Progress != nil
	if m := detail.Manifest; m != nil {
		show.Facts = v.factsOf(m)
		for _, one := range m.Missing {
			show.Missing = append(show.Missing, fmt.Sprintf("%s: %s", describeMissing(one), one.Reason))
		}
		for _, one := range m.Drift {
			show.Drift = append(show.Drift, fmt.Sprintf("%s: %s", asset.Ref{Kind: one.Kind, Name: one.Name, Directory: one.Directory}, one.Change))
		}
		if before, ok := strings.CutPrefix(previousOf(m), place(detail.Path)); ok && vault.IsFolderName(before) {
			show.BeforeLink = v.links.To("view", "compare", "backup", before, "other", name)
		}
	}
	for _, a := range detail.Assets {
		show.Assets = append(show.Assets, v.rowOfAsset(name, a))
	}
	if query.After != "" {
		show.Newest = v.links.To(append(here, "q", query.Text, "kind", kind)...)
	}
	if detail.Next != "" {
		show.Next = v.links.To(append(here, "q", query.Text, "kind", kind, "after", detail.Next)...)
	}
	if detail.Matching > 0 {
		show.ExportLink = v.exportLink(name, query)
	}
	show.RestoreForm = page.RestoreForm{Path: detail.Path, Base: show.Location, Workspaces: show.Workspaces}
	return show, nil
}

// exportLink is where a zip of the assets that are shown is got, those on further pages included.
func (v *view) exportLink(name string, query assetQuery) string {
	parameters := v.where()
	var kinds []string
	for _, k := range query.Kinds {
		kinds = append(kinds, string(k))
	}
	if len(kinds) > 0 {
		parameters.Set("kind", strings.Join(kinds, ","))
	}
	parameters.Set("q", query.Text)
	return "backups/" + name + "/export?" + parameters.Encode()
}

// where are the parameters that say to the JSON API whose backups are meant.
func (v *view) where() url.Values {
	where := url.Values{}
	if v.workspace != "" {
		where.Set("workspace", v.workspace)
	}
	if v.below != "" {
		where.Set("folder", v.below)
	}
	return where
}

// place is the location in which a dated folder lies.
func place(folder string) string {
	folder = strings.TrimSuffix(folder, "/")
	return folder[:strings.LastIndexByte(folder, '/')+1]
}

func previousOf(m *manifestFacts) string {
	if m.Previous == nil {
		return ""
	}
	return strings.TrimSuffix(strings.TrimSuffix(m.Previous.Path, "manifest.json"), "/")
}

func (v *view) factsOf(m *manifestFacts) []page.Fact {
	facts := []page.Fact{
		{Name: v.say("Workspace"), Value: strings.TrimSpace(m.Workspace.Name + " " + m.Workspace.ID)},
		{Name: v.say("Project"), Value: strings.TrimSpace(m.Region + " " + m.ProjectID)},
		{Name: v.say("Written by"), Value: m.Tool},
		{Name: v.say("SHA-256 of the manifest"), Value: m.SHA256},
	}
	return slices.DeleteFunc(facts, func(f page.Fact) bool { return f.Value == "" })
}

func describeMissing(m vault.Missing) string {
	if m.Name != "" || m.Kind == asset.Env {
		return asset.Ref{Kind: m.Kind, Name: m.Name, Directory: m.Directory}.String()
	}
	return m.Kind.Count(max(1, m.Count))
}

func kindChoices(current string) []page.Link {
	var choices []page.Link
	for _, k := range asset.Kinds() {
		choices = append(choices, page.Link{Text: string(k), Current: string(k) == current})
	}
	return choices
}

func (v *view) rowOfAsset(backup string, a vault.Asset) page.AssetRow {
	row := page.AssetRow{Kind: string(a.Kind), Name: a.Name, Directory: a.Directory, Owner: a.LastModifiedBy, Size: page.Size(a.Size), Href: v.links.To("view", "asset", "backup", backup, "key", a.Key)}
	if row.Owner == "" {
		row.Owner = a.Owner
	}
	if a.LastModified != nil {
		row.Changed = page.MomentOf(*a.LastModified)
	}
	return row
}

// What is shown of an asset.
const (
	showContent = "content"
	showGraph   = "graph"
	showHistory = "history"
)

// asset is the view of one asset of a backup.
func (v *view) asset(ctx context.Context) (page.View, error) {
	name, key, shown, reveal := v.text("backup"), v.text("key"), v.text("show"), choice(&v.parameters, "reveal")
	if shown == "" {
		shown = showContent
	}
	f, err := v.folder(ctx, &v.parameters, name)
	if err != nil {
		return nil, err
	}
	b, a, err := v.assetOf(ctx, f, key)
	if err != nil {
		return nil, err
	}
	here := []string{"view", "asset", "backup", name, "key", key}
	show := page.AssetView{Head: v.head(a.Name, append(here, "show", shown)...), BackupName: dateOf(name), BackupLink: v.links.To("view", "backup", "backup", name), BackupPath: f.Path(),
		Kind: string(a.Kind), Name: a.Name, Status: statusOf(b)}
	show.Restorable = show.Status == string(vault.StateComplete) || show.Status == string(vault.StatePartial)
	show.RestoreForm = page.RestoreForm{Path: f.Path(), Base: show.Location, Kinds: []string{string(a.Kind)}, Workspaces: show.Workspaces}
	if a.Kind != asset.Env {
		show.RestoreForm.Names = literal(a.Name)
	}
	if a.Kind == asset.Resources && a.Directory != "/" { // unique by name in its directory only
		show.RestoreForm.Directory = strings.ReplaceAll(a.Directory, ",", `\,`)
	}
	for _, fact := range []page.Fact{{Name: v.say("Directory"), Value: a.Directory}, {Name: v.say("Owner"), Value: a.Owner}, {Name: v.say("Changed by"), Value: a.LastModifiedBy},
		{Name: v.say("Size"), Value: page.Size(a.Size)}, {Name: "SHA-256", Value: a.SHA256}} {
		if fact.Value != "" {
			show.Facts = append(show.Facts, fact)
		}
	}
	if a.LastModified != nil {
		show.Facts = append(show.Facts, page.Fact{Name: v.say("Last changed"), Value: page.MomentOf(*a.LastModified).Text})
	}
	tab := func(what, text string) {
		show.Tabs = append(show.Tabs, page.Link{Text: text, Href: v.links.To(append(here, "show", what)...), Current: what == shown})
	}
	tab(showContent, v.say("Content"))
	if a.Kind != asset.Env {
		tab(showGraph, v.say("Graph of dependencies"))
	}
	tab(showHistory, v.say("History"))
	switch shown {
	case showContent:
		show.Shown = v.say("Content")
		v.fillContent(ctx, &show, f, a, reveal)
	case showGraph:
		show.Shown = v.say("Graph of dependencies")
		v.fillGraph(ctx, &show, f, name, a)
	case showHistory:
		show.Shown = v.say("History")
		v.fillHistory(ctx, &show, name, a)
	default:
		return nil, invalid("show: %q: want content, graph or history", shown)
	}
	return show, nil
}

// statusOf is how the folder of a backup stands that was opened.
func statusOf(b *vault.Backup) string {
	if b.Document == nil && b.Manifest.Status == vault.Complete {
		return string(vault.StateIncomplete)
	}
	return string(b.Manifest.Status)
}

// literal is the glob that fits a name and no other, as the restore dialog takes it.
func literal(name string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `,`, `\,`).Replace(name)
}

// fillContent shows the definition. What cannot be read is said.
func (v *view) fillContent(ctx context.Context, show *page.AssetView, f *vault.Folder, a vault.Asset, reveal bool) {
	raw := v.where()
	raw.Set("key", a.Key)
	raw.Set("raw", "true")
	if a.Kind == asset.Env {
		raw.Set("reveal", "true")
	}
	show.RawLink = "backups/" + f.Name + "/asset?" + raw.Encode()
	content, err := v.console.asset(ctx, f, a.Key, reveal)
	if err != nil {
		show.Fault = errorOf(err).message
		return
	}
	v.secret = reveal && a.Kind == asset.Env
	if content.Masked {
		show.Note = v.say("The values are left out until you ask for them.")
		show.RevealLink = v.links.To("view", "asset", "backup", f.Name, "key", a.Key, "reveal", "true")
	}
	if content.Text != nil {
		show.Language, show.Text = content.Text.Language, page.Highlight(content.Text.Language, content.Text.Content)
	}
	show.Definition = indented(content.Definition)
}

// indented is a definition as it is shown: indented, with its numbers and its order as they are.
func indented(definition json.RawMessage) template.HTML {
	var text bytes.Buffer
	if err := json.Indent(&text, definition, "", "  "); err != nil {
		return page.Highlight("", string(definition))
	}
	return page.Highlight(page.JSON, text.String())
}

// document is the view in which backup.json is edited.
func (v *view) document(ctx context.Context) (page.View, error) {
	name := v.text("backup")
	f, err := v.folder(ctx, &v.parameters, name)
	if err != nil {
		return nil, err
	}
	show := page.DocumentView{Head: v.head("backup.json "+name, "view", "document", "backup", name), BackupName: dateOf(name), BackupLink: v.links.To("view", "backup", "backup", name), API: "backups/" + name + "/document"}
	if where := v.where(); len(where) > 0 {
		show.API += "?" + where.Encode()
	}
	text, version, err := v.console.document(ctx, f)
	switch {
	case err != nil:
		show.Fault = errorOf(err).message
	case len(text) > mostEdited:
		show.Fault = v.say("backup.json has %s, which is too much for a page: edit it in the bucket.", page.Size(int64(len(text))))
	default:
		show.Text, show.ETag = string(text), `"`+version+`"`
	}
	return show, nil
}

// mostEdited is the largest backup.json that is edited on the page, in bytes: with the rest of the page it has to fit into an answer, and into a browser.
const mostEdited = 2 << 20
