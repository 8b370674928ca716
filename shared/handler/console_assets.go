package handler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/event"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// codeTooLarge is the code of what does not fit into an answer or a request.
const codeTooLarge = "too_large"

const (
	// mostDefinition is the largest definition, in plain bytes, that an answer shows.
	mostDefinition = 4 << 20
	// mostAnswer is the largest body of an answer, in the bytes that it has in a gateway's event, beside its headers.
	mostAnswer = maxAnswer - 64<<10
)

// readers is how many definitions are in memory at once while many are read.
const readers = 24

// assetAnswer is the answer to GET /backups/{name}/asset.
type assetAnswer struct {
	Asset      vault.Asset     `json:"asset"`
	Definition json.RawMessage `json:"definition"` // as stored, but for white space and escapes; null for every value of an environment variable unless revealed
	Masked     bool            `json:"masked"`     // values were left out
	Encrypted  bool            `json:"encrypted"`  // in the bucket
	Text       *assetText      `json:"text"`       // of a script
	References []reference     `json:"references"` // what it needs in its workspace
}

// assetText is what a script runs.
type assetText struct {
	Language string `json:"language"` // sql, python, shell or text
	Content  string `json:"content"`
}

// reference is one thing that an asset needs beside itself.
type reference struct {
	Relation  string     `json:"relation"`
	Kind      asset.Kind `json:"kind"`
	Name      string     `json:"name,omitempty"`
	Directory string     `json:"directory,omitempty"`
	Location  string     `json:"location,omitempty"` // obs:// path of a file
	InBackup  *bool      `json:"inBackup"`           // null where that cannot be told
	Key       string     `json:"key,omitempty"`      // of what the backup has
}

// The relations.
const (
	waitsFor          = "waitsFor"          // a job whose schedule depends on another
	waitsForElsewhere = "waitsForElsewhere" // on one of another workspace, which no backup of this one has
	calls             = "calls"             // a job, as a sub-job
	runs              = "runs"              // a script
	uses              = "uses"              // a file
	reads             = "reads"             // an environment variable
)

// assetRoute answers GET /backups/{name}/asset.
func (c *console) assetRoute(ctx context.Context, r event.Request, name string) (reply, error) {
	p := &parameters{values: r.Query}
	key, reveal, raw := p.text("key"), choice(p, "reveal"), choice(p, "raw")
	if key == "" {
		p.fault("key: missing, want the key of an asset, like 4_jobs/nightly.job")
	}
	f, err := c.folder(ctx, p, name)
	if err != nil {
		return reply{}, err
	}
	if raw {
		a, data, err := c.assetBytes(ctx, f, key, reveal)
		if err != nil {
			return reply{}, err
		}
		answer, err := download(path.Base(a.Key), "application/octet-stream", data, f.Path()+a.Key)
		answer.secret = a.Kind == asset.Env
		return answer, err
	}
	answer, err := c.asset(ctx, f, key, reveal)
	if err != nil {
		return reply{}, err
	}
	body, err := json.Marshal(answer) // an indented one may be many times as large as the definition
	if err != nil {
		return reply{}, fmt.Errorf("encode the answer: %w", err)
	}
	if body = append(body, '\n'); !fits(body) {
		return reply{}, tooLarge("the answer about %s would have more than the %d bytes that a gateway takes: fetch %s%s from the bucket", answer.Asset.Ref(), mostAnswer, f.Path(), answer.Asset.Key)
	}
	return reply{status: http.StatusOK, header: http.Header{"Content-Type": {"application/json"}}, body: body, secret: reveal && answer.Asset.Kind == asset.Env}, nil
}

// asset shows one asset of a backup, proved against the manifest. The values of environment variables are left out unless reveal asks for them.
func (c *console) asset(ctx context.Context, f *vault.Folder, key string, reveal bool) (assetAnswer, error) {
	ctx, cancel := inTime(ctx)
	defer cancel()
	b, a, err := c.assetOf(ctx, f, key)
	if err != nil {
		return assetAnswer{}, err
	}
	if a.Size > mostDefinition+mostDefinition/8 { // encryption adds some bytes
		return assetAnswer{}, definitionTooLarge(f, a, a.Size)
	}
	definition, err := b.Definition(ctx, a)
	if err != nil {
		return assetAnswer{}, unreadable(ctx, b, err)
	}
	if len(definition) > mostDefinition {
		return assetAnswer{}, definitionTooLarge(f, a, int64(len(definition)))
	}
	if err := rawjson.Check(definition); err != nil {
		return assetAnswer{}, conflict("%s%s is what was stored, but no definition: %v", f.Path(), a.Key, err)
	}
	answer := assetAnswer{Asset: a, Definition: definition, Encrypted: b.Manifest.Encrypted(), References: []reference{}}
	switch a.Kind {
	case asset.Env:
		if !reveal {
			answer.Definition, answer.Masked = masked(definition), true
		}
		return answer, nil
	case asset.Scripts:
		if content, ok := rawjson.Path(definition, "content"); ok {
			if text, ok := rawjson.String(content); ok {
				answer.Text = &assetText{Language: language(rawjson.StringAt(definition, "type")), Content: text}
			}
		}
	}
	answer.References, err = references(ctx, b, a, definition)
	return answer, err
}

// assetBytes are the bytes that an asset has in the bucket, proved against the manifest; encrypted ones as they are.
func (c *console) assetBytes(ctx context.Context, f *vault.Folder, key string, reveal bool) (vault.Asset, []byte, error) {
	ctx, cancel := inTime(ctx)
	defer cancel()
	b, a, err := c.assetOf(ctx, f, key)
	if err != nil {
		return a, nil, err
	}
	if a.Kind == asset.Env && !reveal {
		return a, nil, invalid("raw: the stored environment variables have their values: ask for them with reveal=true")
	}
	if a.Size > mostAnswer {
		return a, nil, definitionTooLarge(f, a, a.Size)
	}
	data, err := b.Stored(ctx, a)
	return a, data, unreadable(ctx, b, err)
}

// assetOf finds an asset by its key. A backup need not be complete to be looked into.
func (c *console) assetOf(ctx context.Context, f *vault.Folder, key string) (*vault.Backup, vault.Asset, error) {
	b, err := c.openProved(ctx, f, true)
	if err != nil {
		return nil, vault.Asset{}, err
	}
	i := slices.IndexFunc(b.Manifest.Assets, func(a vault.Asset) bool { return a.Key == key })
	if i < 0 {
		return nil, vault.Asset{}, notFound("there is no asset %q in %s", key, f.Path())
	}
	return b, b.Manifest.Assets[i], nil
}

// openProved opens a folder that a manifest speaks for; partial: also one that was not committed.
func (c *console) openProved(ctx context.Context, f *vault.Folder, partial bool) (*vault.Backup, error) {
	b, err := f.Open(ctx)
	if errors.Is(err, vault.ErrIncomplete) {
		exists, existsErr := f.Exists(ctx)
		switch {
		case existsErr != nil:
			return nil, existsErr
		case !exists:
			return nil, notFound("there is no backup at %s", f.Path())
		case partial:
			b, err = f.OpenPartial(ctx)
		}
	}
	switch {
	case err == nil:
		return b, nil
	case errors.Is(err, vault.ErrForeign):
		return nil, conflict("%s is %s: there is no manifest to hold it against", f.Path(), vault.StateUnverified)
	case errors.Is(err, vault.ErrIncomplete), errors.Is(err, vault.ErrUnproved), errors.Is(err, vault.ErrMalformed), errors.Is(err, store.ErrDamaged):
		return nil, conflict("%v", err)
	}
	return nil, overtime(ctx, f, err)
}

// unreadable turns what is wrong with a backup into the answer that says so, in the words of the settings.
func unreadable(ctx context.Context, b *vault.Backup, err error) error {
	err = restore.Explain(ctx, b, err)
	if refusal, ok := errors.AsType[*restore.Refusal](err); ok {
		return conflict("%v", refusal)
	}
	return overtime(ctx, b.Folder(), err)
}

// overtime is the error of work that did not end in time as such.
func overtime(ctx context.Context, f *vault.Folder, err error) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	return &httpError{status: http.StatusGatewayTimeout, code: codeTimeout,
		message: fmt.Sprintf("%s could not be read in the time that a request has; try again, or give the function more memory and with it more speed", f.Path())}
}

func conflict(format string, args ...any) error {
	return &httpError{status: http.StatusConflict, code: codeConflict, message: fmt.Sprintf(format, args...)}
}

func tooLarge(format string, args ...any) error {
	return &httpError{status: http.StatusRequestEntityTooLarge, code: codeTooLarge, message: fmt.Sprintf(format, args...)}
}

func definitionTooLarge(f *vault.Folder, a vault.Asset, size int64) error {
	return tooLarge("%s has %d bytes, more than an answer takes: fetch %s%s from the bucket", a.Ref(), size, f.Path(), a.Key)
}

// masked is a list of environment variables with null for everything that may be a value: all of it but names and types.
func masked(definition []byte) []byte {
	var edits []rawjson.Edit
	null := func(at rawjson.Span) { edits = append(edits, rawjson.Edit{Span: at, New: []byte("null")}) }
	within := func(outer, inner rawjson.Span) rawjson.Span {
		return rawjson.Span{Start: outer.Start + inner.Start, End: outer.Start + inner.End}
	}
	for name, span := range rawjson.Members(definition) {
		list := span.In(definition)
		if name != "params" || list[0] != '[' {
			null(span)
			continue
		}
		for e := range rawjson.Elements(list) {
			variable := within(span, e)
			if definition[variable.Start] != '{' {
				null(variable)
				continue
			}
			for field, value := range rawjson.Members(variable.In(definition)) {
				at := within(variable, value)
				if field != "name" && field != "type" || definition[at.Start] != '"' {
					null(at)
				}
			}
		}
	}
	return rawjson.Splice(definition, edits...)
}

// language is how a script of a type is written. The types are those of the Create Script page and of Huawei's SDK.
func language(scriptType string) string {
	t := strings.ToLower(strings.ReplaceAll(scriptType, " ", ""))
	switch {
	case strings.HasSuffix(t, "sql"), t == "presto":
		return "sql"
	case strings.HasSuffix(t, "python"):
		return "python"
	case t == "shell":
		return "shell"
	}
	return "text"
}

// references lists what an asset needs in its workspace, and what of it the backup has.
func references(ctx context.Context, b *vault.Backup, a vault.Asset, definition []byte) ([]reference, error) {
	here := map[asset.Ref]vault.Asset{}
	for _, other := range b.Manifest.Assets {
		here[other.Ref().Identity()] = other
	}
	all := []reference{}
	named := func(relation string, kind asset.Kind, names []string) {
		for _, name := range names {
			other, ok := here[asset.Ref{Kind: kind, Name: name}]
			all = append(all, reference{Relation: relation, Kind: kind, Name: name, InBackup: &ok, Key: other.Key})
		}
	}
	if a.Kind == asset.Jobs {
		r := asset.ReferencesOf(definition)
		named(waitsFor, asset.Jobs, r.Dependencies)
		for _, name := range r.Elsewhere {
			all = append(all, reference{Relation: waitsForElsewhere, Kind: asset.Jobs, Name: name, InBackup: new(bool)})
		}
		named(calls, asset.Jobs, slices.DeleteFunc(r.Called, func(name string) bool { // most of them are no names of jobs
			_, ok := here[asset.Ref{Kind: asset.Jobs, Name: name}]
			return !ok
		}))
		named(runs, asset.Scripts, r.Scripts)
		for _, location := range r.Files {
			all = append(all, resourcesAt(b.Manifest, location)...)
		}
	}
	variables := asset.VariablesOf(definition)
	if len(variables) == 0 {
		return all, nil
	}
	env, held := here[asset.Ref{Kind: asset.Env, Name: asset.EnvName}]
	var names []string
	known := true // whether the names of the variables are
	if held {
		text, err := b.Definition(ctx, env)
		if err != nil {
			if ctx.Err() != nil {
				return nil, overtime(ctx, b.Folder(), err)
			}
			known = false
		} else if list, err := asset.ParseVariables(text); err != nil {
			known = false
		} else {
			names = list.Names()
		}
	}
	for _, name := range variables {
		r := reference{Relation: reads, Kind: asset.Env, Name: name}
		if known {
			ok := slices.Contains(names, name)
			if r.InBackup = &ok; ok {
				r.Key = env.Key
			}
		}
		all = append(all, r)
	}
	return all, nil
}

// resourcesAt are the resources that point to a file; if there is none, the file stands for itself: it need not be one of a resource.
func resourcesAt(m *vault.Manifest, location string) []reference {
	var all []reference
	for _, a := range m.Assets {
		if a.Kind == asset.Resources && slices.ContainsFunc(a.Files, func(f vault.File) bool { return f.Location == location }) {
			here := true
			all = append(all, reference{Relation: uses, Kind: a.Kind, Name: a.Name, Directory: a.Directory, Location: location, InBackup: &here, Key: a.Key})
		}
	}
	if all == nil {
		all = []reference{{Relation: uses, Kind: asset.Resources, Location: location, InBackup: new(bool)}}
	}
	return all
}
