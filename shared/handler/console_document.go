package handler

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aymanbagabas/go-udiff"
	"github.com/rs/zerolog"

	"github.com/dataarts-backup/dataarts-backup/shared/event"
	"github.com/dataarts-backup/dataarts-backup/shared/lease"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
	"github.com/dataarts-backup/dataarts-backup/shared/strictjson"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// The codes of edits that do not say what they are edits of, or that came after others.
const (
	codePreconditionRequired = "precondition_required"
	codePreconditionFailed   = "precondition_failed"
)

// What an edit of backup.json, and the answer to it, may have at most.
const (
	maxDocument  = 5 << 20   // bytes of the text
	mostFaults   = 500       // that are listed
	mostFaultRun = 500       // characters of a fault's path and of what it says
	mostEdits    = 1 << 20   // bytes of changes, and of rules, in an answer
	mostDiff     = 256 << 10 // bytes
	mostCompared = 1 << 20   // bytes of both texts whose lines are matched where some were added or removed
)

// leaseWait is how long an edit waits for others who work on the folder: a nightly run that looks whether it is complete, a restore that begins, retention.
const leaseWait = 12 * time.Second

// documentEdit is a new text for backup.json.
type documentEdit struct {
	Text    []byte
	IfMatch string // the version of the text that was edited
	DryRun  bool   // only check
}

// documentAnswer is the answer to PUT /backups/{name}/document.
type documentAnswer struct {
	Changes  []restore.Edit      `json:"changes"` // by hand, against what the backup's definitions have
	Total    int                 `json:"total"`   // of these changes
	Replace  documentReplacement `json:"replace"`
	Diff     string              `json:"diff"`     // unified, against the text that stood there
	Complete bool                `json:"complete"` // changes, replace and diff are whole
	ETag     string              `json:"etag"`     // of the text that stands there now, without quotes
	Written  bool                `json:"written"`
}

// documentReplacement is the part of backup.json that changes values wherever they stand.
type documentReplacement struct {
	ConnectionName map[string]string `json:"connectionName"`
	Database       map[string]string `json:"database"`
	ClusterName    map[string]string `json:"clusterName"`
}

// documentFault is one thing that is wrong with an edited text.
type documentFault struct {
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Path    string `json:"path"` // empty for the text as a whole
	Message string `json:"message"`
}

// documentRoute answers GET /backups/{name}/document.
func (c *console) documentRoute(ctx context.Context, r event.Request, name string) (reply, error) {
	f, err := c.folder(ctx, &parameters{values: r.Query}, name)
	if err != nil {
		return reply{}, err
	}
	text, version, err := c.document(ctx, f)
	if err != nil {
		return reply{}, err
	}
	if !fits(text) {
		return reply{}, tooLarge("backup.json has %d bytes, more than a gateway takes: fetch %sbackup.json from the bucket", len(text), f.Path())
	}
	return reply{status: http.StatusOK, header: http.Header{"Content-Type": {"application/json"}, "Etag": {`"` + version + `"`}}, body: text}, nil
}

// document is backup.json as it stands, be it legal or not, and its version.
func (c *console) document(ctx context.Context, f *vault.Folder) (text []byte, version string, err error) {
	text, version, err = f.ReadDocument(ctx)
	if !errors.Is(err, store.ErrNotExist) {
		return text, version, err
	}
	found, err := c.inspectFolder(ctx, f)
	if err != nil {
		return nil, "", err
	}
	return nil, "", notFound("%s is %s and has no backup.json", f.Path(), found.State)
}

// editRoute answers PUT /backups/{name}/document.
func (c *console) editRoute(ctx context.Context, r event.Request, name string) (reply, error) {
	p := &parameters{values: r.Query}
	dryRun := choice(p, "dryRun")
	f, err := c.folder(ctx, p, name)
	if err != nil {
		return reply{}, err
	}
	version, ok := ifMatch(r.Header.Values("If-Match"))
	if !ok {
		return reply{}, &httpError{status: http.StatusPreconditionRequired, code: codePreconditionRequired,
			message: "want the header If-Match with the one ETag that came with the text that was edited, so that nobody else's edit is lost"}
	}
	answer, err := c.editDocument(ctx, f, documentEdit{Text: r.Body, IfMatch: version, DryRun: dryRun})
	if faults, ok := errors.AsType[strictjson.Faults](err); ok {
		return faultyDocument(faults)
	}
	if err != nil {
		return reply{}, err
	}
	done, err := jsonReply(http.StatusOK, answer)
	if err == nil {
		done.header.Set("ETag", `"`+answer.ETag+`"`)
	}
	return done, err
}

// ifMatch reads an If-Match header that names one version. A gateway may have made the tag a weak one.
func ifMatch(values []string) (version string, ok bool) {
	text := strings.TrimPrefix(strings.TrimSpace(strings.Join(values, ",")), "W/")
	if len(text) >= 2 && text[0] == '"' && text[len(text)-1] == '"' {
		text = text[1 : len(text)-1]
	}
	return text, text != "" && !strings.ContainsAny(text, `*," `)
}

// faultyDocument is the answer to a text that a restore would refuse: every fault in the message, and by itself.
func faultyDocument(faults strictjson.Faults) (reply, error) {
	lines, list := []string{}, []documentFault{}
	for i, f := range faults {
		if i == mostFaults {
			lines = append(lines, fmt.Sprintf("and %d more", len(faults)-i))
			break
		}
		f.Path, f.Problem = shortened(f.Path, mostFaultRun), shortened(f.Problem, mostFaultRun)
		lines = append(lines, "backup.json: "+f.String())
		list = append(list, documentFault{Line: f.Line, Column: f.Column, Path: f.Path, Message: f.Problem})
	}
	return jsonReply(http.StatusBadRequest, map[string]any{"error": map[string]any{"code": codeInvalid, "message": strings.Join(lines, "\n"), "faults": list}})
}

// shortened is at most so many characters of a text.
func shortened(text string, most int) string {
	if len(text) <= most {
		return text
	}
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + "…"
	}
	return text
}

// editDocument checks a new text for backup.json as a restore does before its first write, and puts it in the place of the one that was edited. A text that a restore
// would refuse is an error of type [strictjson.Faults]. A text that is there already is not written.
func (c *console) editDocument(ctx context.Context, f *vault.Folder, edit documentEdit) (documentAnswer, error) {
	ctx, cancel := inTime(ctx)
	defer cancel()
	if len(edit.Text) > maxDocument {
		return documentAnswer{}, tooLarge("the text has %d bytes, at most %d are allowed: edit %sbackup.json in the bucket", len(edit.Text), maxDocument, f.Path())
	}
	b, err := c.openProved(ctx, f, false)
	if err != nil {
		return documentAnswer{}, err
	}
	if b.DocumentVersion != edit.IfMatch {
		return documentAnswer{}, changedSince(f)
	}
	edits, err := restore.CheckDocument(ctx, b, edit.Text, readers)
	if _, faulty := errors.AsType[strictjson.Faults](err); faulty {
		return documentAnswer{}, err
	}
	if err != nil {
		return documentAnswer{}, unreadable(ctx, b, err)
	}
	answer := documentAnswer{Changes: edits.Values, Total: len(edits.Values), ETag: b.DocumentVersion, Complete: true, Replace: documentReplacement{
		nonNilMap(edits.Replace.ConnectionName), nonNilMap(edits.Replace.Database), nonNilMap(edits.Replace.ClusterName)}}
	diff, whole := documentDiff(string(b.Document), string(edit.Text))
	answer.Diff = diff
	answer.bound(whole)
	if edit.DryRun || bytes.Equal(b.Document, edit.Text) {
		return answer, nil
	}
	if answer.ETag, err = c.writeDocument(ctx, f, edit); err != nil {
		return documentAnswer{}, err
	}
	answer.Written = true
	zerolog.Ctx(ctx).Info().Str("path", f.Path()).Int("changes", answer.Total).Str("etag", answer.ETag).Msg("backup.json was edited")
	return answer, nil
}

// writeDocument writes a text that was checked, under the folder's lease: of two edits of one text one comes through, on every store, and no edit brings
// back the backup.json of a folder that is being removed.
func (c *console) writeDocument(ctx context.Context, f *vault.Folder, edit documentEdit) (string, error) {
	hold, err := holdFolder(ctx, f)
	if err != nil {
		return "", err
	}
	defer release(ctx, f, hold)
	version, err := f.WriteDocument(hold.Context(), edit.Text, edit.IfMatch, hold.Check)
	switch {
	case errors.Is(err, vault.ErrEdited):
		return "", changedSince(f)
	case err != nil && ctx.Err() != nil:
		return "", &httpError{status: http.StatusGatewayTimeout, code: codeTimeout,
			message: fmt.Sprintf("the write of %sbackup.json did not end in time: look at it again to see whether it was written", f.Path())}
	}
	return version, err
}

// holdFolder waits a while for the lease of a folder. The lease ends with ctx.
func holdFolder(ctx context.Context, f *vault.Folder) (*lease.Lease, error) {
	var mu sync.Mutex
	holder := ""
	options := lease.Options{Owner: "an edit of backup.json", OnWait: func(h lease.Holder) {
		mu.Lock()
		defer mu.Unlock()
		holder = h.Owner
	}}
	busy := errors.New("the folder is busy")
	waiting, giveUp := context.WithCancelCause(ctx) // none with a deadline, which would be the lease's
	timer := time.AfterFunc(leaseWait, func() { giveUp(busy) })
	hold, err := lease.Acquire(waiting, f.Location().Store(), f.Location().LeaseKey(f.Name), options)
	if !timer.Stop() && err == nil { // it came at the last moment
		release(ctx, f, hold)
		err = busy
	}
	if err == nil {
		context.AfterFunc(hold.Context(), func() { giveUp(nil) })
		return hold, nil
	}
	defer giveUp(nil)
	mu.Lock()
	defer mu.Unlock()
	if waiting.Err() != nil && (holder != "" || errors.Is(err, busy)) {
		return nil, conflict("%s works on %s right now: nothing was written, try again", cmp.Or(shortened(holder, mostFaultRun), "somebody"), f.Path())
	}
	return nil, overtime(ctx, f, err)
}

func release(ctx context.Context, f *vault.Folder, hold *lease.Lease) {
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := hold.Release(after); err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Str("path", f.Path()).Msg("the lease was not released; whoever needs it next waits until it is stale")
	}
}

func changedSince(f *vault.Folder) error {
	return &httpError{status: http.StatusPreconditionFailed, code: codePreconditionFailed,
		message: fmt.Sprintf("%sbackup.json is not the text that If-Match names: it was edited since. Nothing was written; get it again", f.Path())}
}

// bound keeps an answer within what a gateway takes. diffed: the diff is whole.
func (a *documentAnswer) bound(diffed bool) {
	a.Complete = diffed
	size := 0
	for i, e := range a.Changes {
		size += len(e.Name) + len(e.Node) + len(e.Field) + len(e.From) + len(e.To) + 128
		if size > mostEdits {
			a.Changes, a.Complete = a.Changes[:i], false
			break
		}
	}
	size = 0
	for _, rules := range []map[string]string{a.Replace.ConnectionName, a.Replace.Database, a.Replace.ClusterName} {
		for from, to := range rules {
			size += len(from) + len(to) + 16
		}
	}
	if size > mostEdits {
		a.Replace, a.Complete = documentReplacement{map[string]string{}, map[string]string{}, map[string]string{}}, false
	}
}

// documentDiff is the unified diff of two texts, and whether that is whole.
func documentDiff(old, now string) (diff string, whole bool) {
	if old == now {
		return "", true
	}
	const contextLines = 3
	diff, err := udiff.ToUnified("backup.json (stored)", "backup.json (edited)", old, documentChanges(old, now), contextLines)
	if err != nil { // the edits are those of this very text
		return "", false
	}
	if len(diff) <= mostDiff {
		return diff, true
	}
	end := strings.LastIndexByte(diff[:mostDiff], '\n') + 1
	if end == 0 {
		return "", false
	}
	return fmt.Sprintf("%s… %d more lines\n", diff[:end], strings.Count(diff[end:], "\n")), false
}

// changedMiddle is what stands between the lines that two texts have in common at their beginning and at their end.
func changedMiddle(before, after []string) udiff.Edit {
	var change udiff.Edit
	for len(before) > 0 && len(after) > 0 && before[0] == after[0] {
		change.Start += len(before[0])
		before, after = before[1:], after[1:]
	}
	for len(before) > 0 && len(after) > 0 && before[len(before)-1] == after[len(after)-1] {
		before, after = before[:len(before)-1], after[:len(after)-1]
	}
	change.End = change.Start
	for _, line := range before {
		change.End += len(line)
	}
	change.New = strings.Join(after, "")
	return change
}

// documentChanges are the lines that differ. Edits of values keep every line where it is, so lines are compared in pairs where there are as many: that is exact,
// and quick in the largest text.
func documentChanges(old, now string) []udiff.Edit {
	before, after := strings.SplitAfter(old, "\n"), strings.SplitAfter(now, "\n")
	if len(before) != len(after) && len(old)+len(now) <= mostCompared {
		return udiff.Lines(old, now)
	}
	if len(before) != len(after) {
		return []udiff.Edit{changedMiddle(before, after)}
	}
	var changes []udiff.Edit
	at := 0
	for i := 0; i < len(before); {
		if before[i] == after[i] {
			at += len(before[i])
			i++
			continue
		}
		change := udiff.Edit{Start: at}
		var text strings.Builder
		for ; i < len(before) && before[i] != after[i]; i++ {
			at += len(before[i])
			text.WriteString(after[i])
		}
		change.End, change.New = at, text.String()
		changes = append(changes, change)
	}
	return changes
}
