package restore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/compare"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
)

// Status is how a restore stands.
type Status string

// The statuses. PARTIAL: something in the plan did not happen, and the items say what and why. FAILED: refused, nothing was written.
const (
	Planned  Status = "PLANNED"
	Running  Status = "RUNNING"
	Complete Status = "COMPLETE"
	Partial  Status = "PARTIAL"
	Failed   Status = "FAILED"
	Undone   Status = "UNDONE"
)

// Action is what the plan wants done with an asset.
type Action string

// The actions.
const (
	ActionCreate    Action = "create"
	ActionOverwrite Action = "overwrite"
	ActionSkip      Action = "skip"
	ActionUnchanged Action = "unchanged"
	ActionBlocked   Action = "blocked"
)

// Outcome is what became of an asset. It is empty while that is open.
type Outcome string

// The outcomes. Created and overwritten mean: written, read back and the same.
const (
	Created     Outcome = "created"
	Overwritten Outcome = "overwritten"
	Skipped     Outcome = "skipped"
	Unchanged   Outcome = "unchanged"
	Errored     Outcome = "failed"
	Blocked     Outcome = "blocked"
)

// Report is restores/<id>/report.json and the answer to a restore.
type Report struct {
	ID                  string         `json:"id"`
	Request             *Request       `json:"request,omitempty"` // as it was asked
	Status              Status         `json:"status"`
	Backup              string         `json:"backup"`    // obs:// path of the folder
	Workspace           string         `json:"workspace"` // target
	DuplicateNamePolicy Policy         `json:"duplicateNamePolicy,omitempty"`
	PlanHash            string         `json:"planHash,omitempty"` // of the plan that it began with
	StartedAt           time.Time      `json:"startedAt"`
	FinishedAt          *time.Time     `json:"finishedAt,omitempty"`
	Progress            Progress       `json:"progress"`
	Counts              map[string]int `json:"counts"` // items by outcome, and by action where the outcome is open
	Message             string         `json:"message"`
	// Problems are what was found before the first write and needs somebody's attention, though it keeps no asset from being written. What keeps one is
	// in its item's reason.
	Problems []Problem `json:"problems,omitempty"`
	// WantsHash is the hash of all that the restore was to write when it began: it hangs on the backup, its backup.json and the request, and not on the
	// workspace. A run that continues the restore has to want the same.
	WantsHash string `json:"wantsHash,omitempty"`
	// Calls counts the requests to DataArts of all runs of this restore, as far as they are on record.
	Calls int64 `json:"calls,omitempty"`
	// Exports are the files of an export, in the order in which they are to be imported.
	Exports []Export `json:"exports,omitempty"`
	// Undo is set while the restore is being undone, or where that was interrupted.
	Undo  *UndoState `json:"undo,omitempty"`
	Items []Item     `json:"items"`
	// Imports are the bundles that the service was asked to import, in this order.
	Imports []Import `json:"imports,omitempty"`

	calls func() int64 // what Calls is now; nil where nobody counts
	etag  string       // of the object that it was read from; empty where it was not
}

// Problem is something about an asset, or about the target workspace where kind and name are empty.
type Problem struct {
	Kind    asset.Kind `json:"kind,omitempty"`
	Name    string     `json:"name,omitempty"`
	Problem string     `json:"problem"`
}

// Progress counts items.
type Progress struct {
	Done  int `json:"done"`
	Total int `json:"total"`
}

// Item is one asset of a report; each environment variable is one.
type Item struct {
	Kind      asset.Kind `json:"kind"`
	Name      string     `json:"name"`
	Directory string     `json:"directory,omitempty"`
	Action    Action     `json:"action"`
	Outcome   Outcome    `json:"outcome,omitempty"`
	Reason    string     `json:"reason,omitempty"`
	Changes   []Change   `json:"changes,omitempty"`
	// MoreChanges counts the fields that differ besides those in Changes: of an asset that differs all over, the first ones are told.
	MoreChanges int `json:"moreChanges,omitempty"`
	// Files are those that a resource points to and the backup has copies of, where something is to be done or said about them.
	Files []FileItem `json:"files,omitempty"`
	// Import is the number of the bundle, from 1, with which the asset was to be imported last.
	Import int `json:"import,omitempty"`
	// WasRunning tells of a job that it ran when the restore began or, where somebody started or stopped it after that, right before it was written.
	WasRunning bool `json:"wasRunning,omitempty"`
	// Settled tells of a job that an earlier run of this restore was done with, so that whether it runs has been somebody else's will since.
	Settled bool `json:"settled,omitempty"`
	// Started tells of a job that runs once that this restore has started it, or was about to.
	Started bool `json:"started,omitempty"`
	// Written tells that the service took a write, even if the outcome is failed.
	Written bool `json:"written,omitempty"`
	// Sent tells that a write may have been sent without an answer that it was taken: of what was to be created, by a run that this one continues.
	Sent bool `json:"sent,omitempty"`
	// Undone tells that an undo has taken it back: it is none of this restore's any more, whoever asks for the undo again.
	Undone bool `json:"undone,omitempty"`
}

// Change is one field that differs between the live asset and what is restored.
type Change = compare.Change

// FileItem is one file that a resource points to.
type FileItem struct {
	Location string  `json:"location"` // obs:// path in the target
	Action   Action  `json:"action"`
	Outcome  Outcome `json:"outcome,omitempty"`
	Reason   string  `json:"reason,omitempty"`
	Size     int64   `json:"size,omitempty"` // of what the restore has put there, in bytes
	ETag     string  `json:"etag,omitempty"` // and its ETag: an undo removes nothing else
	// LastModified is when the store says that it was put there, where it says so.
	LastModified time.Time `json:"lastModified,omitzero"`
	Written      bool      `json:"written,omitempty"` // it may have been put there, even if the outcome is failed
	Undone       bool      `json:"undone,omitempty"`  // an undo has taken it back
}

// keepChanges leaves of the changes those that a report shows.
func (i *Item) keepChanges() {
	kept, more := compare.Keep(i.Changes)
	i.Changes, i.MoreChanges = kept, i.MoreChanges+more
}

// Ref names the item's asset.
func (i Item) Ref() asset.Ref {
	return asset.Ref{Kind: i.Kind, Name: i.Name, Directory: i.Directory}
}

// countCalls counts what is sent from now on, on top of what an earlier run of the same restore has sent.
func (r *Report) countCalls(opts Options, prior *Report) {
	if opts.Calls == nil {
		return
	}
	before := -opts.Calls()
	if prior.running() {
		before += prior.Calls
	}
	r.calls = func() int64 { return before + opts.Calls() }
}

// count brings progress and counts up to date.
func (r *Report) count() {
	if r.calls != nil {
		r.Calls = r.calls()
	}
	r.Progress = Progress{Total: len(r.Items)}
	r.Counts = map[string]int{}
	for _, i := range r.Items {
		if i.Outcome == "" {
			r.Counts[string(i.Action)]++
			continue
		}
		r.Counts[string(i.Outcome)]++
		r.Progress.Done++
	}
}

// Succeeded tells whether the restore did what its plan said.
func (r *Report) Succeeded() bool {
	return slices.Contains([]Status{Complete, Planned, Undone}, r.Status)
}

// final tells whether the restore was carried out and is over. A refused one never began: what was wrong may be put right, and the same request sent again.
func (r *Report) final() bool {
	return slices.Contains([]Status{Complete, Partial, Undone}, r.Status) || r.Undo != nil
}

// running tells whether the restore was begun and is not over. A nil report is of no restore.
func (r *Report) running() bool { return r != nil && r.Status == Running && r.Undo == nil }

// StandsForAnother tells whether the id of the report's restore is taken by another request than this one.
func (r *Report) StandsForAnother(req Request) bool {
	return (r.running() || r.final()) && r.Request != nil && !r.Request.same(req)
}

// answerTo returns the answer to a request under an id that is on record: the report of a restore that is over, or a refusal if the id stands for
// another request. It is nil where the request is to be carried out.
func (r *Report) answerTo(req Request, fresh *Report) *Report {
	if r == nil || (!r.running() && !r.final()) {
		return nil
	}
	if r.StandsForAnother(req) {
		refused := *fresh
		refused.Message = fmt.Sprintf("id %q stands for another request already, whose restore is %s: the same id is the same restore", r.ID, r.Status)
		return &refused
	}
	if r.final() {
		return r
	}
	return nil
}

// Reports keeps reports under <root>/restores/.
type Reports struct {
	Store store.Store
	Root  string // ends with "/", or is empty
}

// ErrNoReport says that there is no restore with this id.
var ErrNoReport = errors.New("there is no such restore")

const maxReport = 256 << 20

func (s Reports) key(id string) string { return s.Root + "restores/" + id + "/report.json" }

// folder is the key prefix of what a restore saved: "before" it wrote, or before its "undo" wrote.
func (s Reports) folder(id, name string) string { return s.Root + "restores/" + id + "/" + name + "/" }

// Load reads a report. Errors: [ErrNoReport].
func (s Reports) Load(ctx context.Context, id string) (*Report, error) {
	var r Report
	info, err := s.read(ctx, id, &r)
	if err != nil {
		return nil, err
	}
	r.etag = info.ETag
	return &r, nil
}

// Head reads a report without its items and imports, which are most of it and stand at its end: they are not even fetched. Errors: [ErrNoReport].
func (s Reports) Head(ctx context.Context, id string) (*Report, error) {
	if !validID(id) {
		return nil, fmt.Errorf("restore %q: %w", id, ErrNoReport)
	}
	text, info, err := store.ReadStart(ctx, s.Store, s.key(id), reportHead)
	if errors.Is(err, store.ErrNotExist) {
		return nil, fmt.Errorf("restore %q: %w", id, ErrNoReport)
	}
	if err != nil {
		return nil, fmt.Errorf("read the report of restore %q: %w", id, err)
	}
	var r Report
	if decodeHead(text, &r) {
		r.etag = info.ETag
		return &r, nil
	}
	var whole Report // its head is longer than that, or it is not as this program writes them, or it is damaged
	if info, err = s.read(ctx, id, &struct {
		*Report
		Items   passedOver `json:"items"`
		Imports passedOver `json:"imports"`
	}{Report: &whole}); err != nil {
		return nil, err
	}
	whole.etag = info.ETag
	return &whole, nil
}

// reportHead is how much of a report is fetched for its head, in bytes: a request with many names stands in it.
const reportHead = 16 << 10

// decodeHead reads what stands before the items. It tells whether the text holds all of that.
func decodeHead(text []byte, into *Report) (whole bool) {
	var head bytes.Buffer
	rawjson.Leading(text, func(name string, value json.RawMessage) bool {
		whole = name == "items"
		if whole || value == nil {
			return false
		}
		if head.Len() > 0 {
			head.WriteByte(',')
		}
		fmt.Fprintf(&head, "%s:%s", rawjson.Quote(name), value)
		return true
	})
	return whole && json.Unmarshal([]byte("{"+head.String()+"}"), into) == nil && into.Status != "" && !into.StartedAt.IsZero()
}

// passedOver is JSON that nobody needs.
type passedOver struct{}

func (*passedOver) UnmarshalJSON([]byte) error { return nil }

// read decodes a report into v.
func (s Reports) read(ctx context.Context, id string, v any) (store.Info, error) {
	if !validID(id) {
		return store.Info{}, fmt.Errorf("restore %q: %w", id, ErrNoReport)
	}
	data, info, err := store.ReadAll(ctx, s.Store, s.key(id), maxReport)
	if errors.Is(err, store.ErrNotExist) {
		return info, fmt.Errorf("restore %q: %w", id, ErrNoReport)
	}
	if err == nil {
		err = json.Unmarshal(data, v)
	}
	if err != nil {
		return info, fmt.Errorf("read the report of restore %q: %w", id, err)
	}
	return info, nil
}

// prior reads the report of a restore that may have been begun before; nil where there is none.
func (s Reports) prior(ctx context.Context, id string) (*Report, error) {
	r, err := s.Load(ctx, id)
	if errors.Is(err, ErrNoReport) {
		return nil, nil //nolint:nilnil // no restore is no error
	}
	return r, err
}

// Save writes a report.
func (s Reports) Save(ctx context.Context, r *Report) error {
	return s.save(ctx, r, store.Condition{})
}

// save writes a report under a condition. Errors: store.ErrPrecondition.
func (s Reports) save(ctx context.Context, r *Report, cond store.Condition) error {
	data, err := r.encode()
	if err != nil {
		return err
	}
	return s.put(ctx, r.ID, data, cond)
}

// saveInstead writes a report in the place of the one that was read before, nil where there was none. Errors: store.ErrPrecondition if there is another
// one by now.
func (s Reports) saveInstead(ctx context.Context, r, before *Report) error {
	if before == nil {
		return s.save(ctx, r, store.Condition{IfNoneMatch: true})
	}
	return s.save(ctx, r, store.Condition{IfMatch: before.etag})
}

func (s Reports) put(ctx context.Context, id string, data []byte, cond store.Condition) error {
	if _, err := s.Store.Put(ctx, s.key(id), data, cond); err != nil {
		return fmt.Errorf("write the report of restore %q: %w", id, err)
	}
	return nil
}

// encode is the text of report.json. One that could not be read again is an error.
func (r *Report) encode() ([]byte, error) {
	r.count()
	var data bytes.Buffer
	text := json.NewEncoder(&data)
	text.SetIndent("", "  ")
	text.SetEscapeHTML(false) // people read diffs of SQL in it
	if err := text.Encode(r); err != nil {
		return nil, fmt.Errorf("write the report of restore %q: %w", r.ID, err)
	}
	if data.Len() > maxReport {
		return nil, fmt.Errorf("write the report of restore %q: it has %d bytes, and at most %d can be read again: select fewer assets", r.ID, data.Len(), maxReport)
	}
	return data.Bytes(), nil
}

// IDs lists the ids of all restores, in ascending order.
func (s Reports) IDs(ctx context.Context) ([]string, error) {
	var ids []string
	prefix := s.Root + "restores/"
	err := s.Store.List(ctx, prefix, "/", func(info store.Info) error {
		if id, ok := strings.CutSuffix(strings.TrimPrefix(info.Key, prefix), "/"); ok {
			ids = append(ids, id)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list restores: %w", err)
	}
	return ids, nil
}
