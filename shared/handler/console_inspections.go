package handler

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// How many folders are remembered, and looked at at the same time without reading a manifest.
const (
	mostRemembered = 2000
	outlines       = 16
)

// inspections is how many manifests are read at once. That of a large workspace is 10 MB and takes several times that while it is read,
// and the function may have little memory.
const inspections = 4

// remembered is what a process of the console knows from earlier requests. Everything in it is asked for by what the store says of the objects now: their ETags,
// sizes and dates. So nothing that has changed since is ever told.
type remembered struct {
	summaries     *memory[inspection]         // of backup.json and manifest.json, read whole
	glances       *memory[vault.Inspection]   // of what their first fields say
	verifications *memory[vault.Verification] // records
	starts        *starts                     // of restores
	reading       chan struct{}               // a place for each manifest that is read
}

func newRemembered() *remembered {
	return &remembered{summaries: newMemory[inspection](mostRemembered), glances: newMemory[vault.Inspection](mostRemembered),
		verifications: newMemory[vault.Verification](mostRemembered), starts: newStarts(), reading: make(chan struct{}, inspections)}
}

// inspection is what is kept of a look at a folder: not the manifest.
type inspection struct {
	summary        backupSummary
	manifestSHA256 string
}

func (i inspection) found() vault.Inspection {
	return vault.Inspection{State: i.summary.Status, ManifestSHA256: i.manifestSHA256}
}

// rememberedKey is where a folder is remembered as it is now; empty where the store does not tell.
func rememberedKey(f *vault.Folder, o vault.Outline) string {
	version := o.Version()
	if version == "" {
		return ""
	}
	return f.Path() + "\n" + version
}

// outlinesOf asks for the outlines of folders, many at the same time, in their order. The result waits for that of one of them.
func outlinesOf(ctx context.Context, folders []*vault.Folder) func(i int) (vault.Outline, error) {
	type outlined struct {
		outline vault.Outline
		err     error
		ready   chan struct{}
	}
	all := make([]outlined, len(folders))
	for i := range all {
		all[i].ready = make(chan struct{})
	}
	next := make(chan int)
	for range min(outlines, len(folders)) {
		go func() {
			for i := range next {
				all[i].outline, all[i].err = folders[i].Outline(ctx)
				close(all[i].ready)
			}
		}()
	}
	go func() {
		defer close(next)
		for i := range folders {
			next <- i
		}
	}()
	return func(i int) (vault.Outline, error) {
		<-all[i].ready
		return all[i].outline, all[i].err
	}
}

// summary is how a folder stands with that outline, or with an error in its place. One that cannot be read is said to be so, and does not hide the others.
func (c *console) summary(ctx context.Context, f *vault.Folder, o vault.Outline, err error, records verificationRecords) backupSummary {
	unreadable := func(err error) backupSummary {
		zerolog.Ctx(ctx).Error().Err(err).Str("path", f.Path()).Msg("the backup could not be read")
		return backupSummary{Name: f.Name, Path: f.Path(), Status: stateUnreadable, Counts: map[asset.Kind]int{}, Message: err.Error()}
	}
	if err != nil {
		return unreadable(err)
	}
	found, err := c.inspected(ctx, f, o)
	if err != nil {
		return unreadable(err)
	}
	s := found.summary
	s.Counts = maps.Clone(s.Counts)
	s.judge(found.found(), c.record(ctx, f, records))
	c.addProgress(ctx, f, o, &s)
	return s
}

// inspected is what a look at a folder found, now or when its backup.json and manifest.json were last read as they are now.
func (c *console) inspected(ctx context.Context, f *vault.Folder, o vault.Outline) (inspection, error) {
	if o.Document.Key == "" && o.Manifest.Key == "" {
		return inspection{summary: summaryOf(f, vault.Inspection{State: vault.StateIncomplete})}, nil
	}
	key := rememberedKey(f, o)
	if known, ok := c.remembered.summaries.recall(key); ok {
		return known, nil
	}
	select {
	case c.remembered.reading <- struct{}{}:
		defer func() { <-c.remembered.reading }()
	case <-ctx.Done():
		return inspection{}, ctx.Err()
	}
	found, err := f.Inspect(ctx)
	if err != nil {
		return inspection{}, err
	}
	result := inspection{summary: summaryOf(f, found), manifestSHA256: found.ManifestSHA256}
	if key != "" {
		// What was read may be newer than what was listed.
		if again, err := f.Outline(ctx); err == nil && again.Version() == o.Version() {
			c.remembered.summaries.keep(key, result)
		}
	}
	return result, nil
}

// glanced is how a folder stands as far as that can be told without reading its manifest, or as it is known already. whole tells that it is known.
func (c *console) glanced(ctx context.Context, f *vault.Folder, o vault.Outline) (found vault.Inspection, whole bool, err error) {
	// What is not committed by a backup.json with a hash, and not explained by a manifest.json with a status, a glance looks at as a whole.
	sure := func(found vault.Inspection) bool {
		return o.Document.Key == "" && o.Manifest.Key == "" || slices.Contains([]vault.State{vault.StateDamaged, vault.StateUnsupported, vault.StateUnverified}, found.State)
	}
	key := rememberedKey(f, o)
	if known, ok := c.remembered.summaries.recall(key); ok {
		return known.found(), true, nil
	}
	if known, ok := c.remembered.glances.recall(key); ok {
		return known, sure(known), nil
	}
	found, err = f.Glance(ctx, o)
	if err != nil {
		return found, false, err
	}
	if key != "" && (o.Document.Key != "" || o.Manifest.Key != "") {
		if again, err := f.Outline(ctx); err == nil && again.Version() == o.Version() {
			c.remembered.glances.keep(key, found)
		}
	}
	return found, sure(found), nil
}

// verifiedState is the last verification of a backup.
type verifiedState struct {
	Status  vault.Verdict `json:"status"`
	At      time.Time     `json:"at"`      // when it ended
	Message string        `json:"message"` // the first fault; empty for a backup that is whole
}

// verificationRecords are the records of a location, by folder, with what tells whether they have changed. nil: it is not known which there are.
type verificationRecords map[string]string

// verificationRecords lists the records of a location. That this is not possible does not hide the backups.
func (c *console) verificationRecords(ctx context.Context, v *vault.Vault) verificationRecords {
	records, err := v.Verifications(ctx)
	if err != nil {
		zerolog.Ctx(ctx).Error().Err(err).Str("path", v.Path()).Msg("the verifications could not be listed")
		return nil
	}
	return records
}

// record is the record of a folder's last verification; nil where there is none.
func (c *console) record(ctx context.Context, f *vault.Folder, records verificationRecords) *vault.Verification {
	version, ok := records[f.Name]
	if !ok {
		return nil
	}
	key := f.Path() + "\n" + version
	if known, ok := c.remembered.verifications.recall(key); ok {
		return &known
	}
	record, err := f.Location().Verification(ctx, f.Name)
	if err != nil {
		zerolog.Ctx(ctx).Error().Err(err).Str("path", f.Path()).Msg("the verification could not be read")
		return nil
	}
	if record != nil {
		// One that is newer than the listing is the same under its own key, and is replaced by it there as soon as it is listed.
		c.remembered.verifications.keep(key, *record)
	}
	return record
}

// judged is how the backup stands that was found in a folder, with what its last verification found: one that lacks an object is DAMAGED, although its commit
// fits its manifest. The record is that of the folder, and may be nil or speak of another backup; verified is nil then.
func judged(found vault.Inspection, record *vault.Verification) (state vault.State, verified *verifiedState) {
	switch {
	case !record.Of(found):
		return found.State, nil
	case record.Status == vault.Damaged:
		return vault.StateDamaged, verifiedOf(record)
	}
	return found.State, verifiedOf(record)
}

// judge adds the last verification to a summary of what was found.
func (s *backupSummary) judge(found vault.Inspection, record *vault.Verification) {
	var state vault.State
	if state, s.Verified = judged(found, record); state != s.Status {
		s.Status, s.Message = state, cmp.Or(s.Verified.Message, "the last verification found it damaged")
	}
}

func verifiedOf(record *vault.Verification) *verifiedState {
	s := &verifiedState{Status: record.Status, At: record.At.UTC()}
	if len(record.Faults) > 0 {
		s.Message = record.Faults[0]
		if more := record.FaultCount - 1; more > 0 {
			s.Message += fmt.Sprintf("; and %d more", more)
		}
	}
	return s
}
