package retention

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/dataarts-backup/dataarts-backup/shared/lease"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// Options is what retention needs to know. Only Keep is required.
type Options struct {
	Keep   Keep
	DryRun bool // say what would go, and write and delete nothing

	// Newest is how the run ended that retention follows; empty where there was none. Whatever it says, the newest folder in the bucket counts, too.
	Newest vault.Status
	// Upcoming is the name of a folder that is taken for complete, and the newest, although it is not there yet: what a run would write. For dry runs.
	Upcoming string

	Now         func() time.Time // default time.Now
	Lease       lease.Options    // how runs for one folder keep apart
	Concurrency int              // folders removed at the same time; default 8
}

// Outcome is what retention did, or would do.
type Outcome struct {
	Removed []string  // names of the folders that are gone, oldest first
	Left    []Verdict // what should have gone or should have been a backup, and stays, with the reason; oldest first
	Held    string    // why nothing at all was removed; empty: nothing held it
	Stay    []Verdict // what the rules keep, and by which of them; empty where it was held
}

// Message says in one sentence what an operator should know beside what was removed; empty where there is nothing.
func (o Outcome) Message() string {
	const most = 5
	var parts []string
	if o.Held != "" {
		parts = append(parts, "retention is held: "+o.Held)
	}
	for _, l := range o.Left[:min(most, len(o.Left))] {
		parts = append(parts, fmt.Sprintf("retention left %s: %s", l.Name, l.Reason))
	}
	if more := len(o.Left) - most; more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(parts, "; ")
}

// folder is a dated folder with what was found in it.
type folder struct {
	Candidate
	state  vault.State
	sha256 string // of the manifest of a complete backup
	fault  error  // why it is neither complete nor unfinished, if that is to be reported
	good   bool   // its listing was compared with its manifest

	contents *contents // of a complete backup that a loss is counted with; nil until it is read
}

// inspections is how many folders are looked at at the same time: a manifest may have 10 MB, and the function little memory.
const inspections = 4

// stateUnreadable is the state of a folder that the store did not give out.
const stateUnreadable vault.State = "UNREADABLE"

// Apply removes what the rules do not keep in one location. The Outcome is true whether or not there is an error: an error means that the location could not
// be looked at, or that the context ended; what was not reached stays for the next run.
func Apply(ctx context.Context, v *vault.Vault, opts Options) (Outcome, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Concurrency <= 0 {
		opts.Concurrency = 8
	}
	a := &application{vault: v, opts: opts, out: Outcome{Removed: []string{}, Left: []Verdict{}, Stay: []Verdict{}}}
	if len(opts.Keep.rules()) == 0 {
		return a.out, nil
	}
	err := a.run(ctx)
	slices.Sort(a.out.Removed)
	slices.SortStableFunc(a.out.Left, func(x, y Verdict) int { return strings.Compare(x.Name, y.Name) })
	if err != nil {
		err = fmt.Errorf("retention in %s: %w", v.Path(), err)
	}
	return a.out, err
}

// application is one call of Apply.
type application struct {
	vault   *vault.Vault
	opts    Options
	folders []*folder

	mu  sync.Mutex
	out Outcome
}

func (a *application) left(name, reason string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.out.Left = append(a.out.Left, Verdict{name, reason})
}

func (a *application) run(ctx context.Context) error {
	if err := a.look(ctx); err != nil {
		return err
	}
	decision, err := a.decide(ctx)
	for _, f := range a.folders {
		if f.fault != nil {
			a.left(f.Name, f.fault.Error())
		}
	}
	if err != nil || a.out.Held != "" {
		return err
	}
	a.out.Stay = append(a.out.Stay, decision.Stay...)
	if a.opts.DryRun {
		return a.each(ctx, decision.Go, func(ctx context.Context, f *folder, verdict Verdict) error {
			return a.vault.CheckRemoval(ctx, f.Name, a.removal(f, verdict))
		})
	}
	a.withdraw(ctx, decision.Stay)
	return a.each(ctx, decision.Go, a.remove)
}

// look finds out how every dated folder stands.
func (a *application) look(ctx context.Context) error {
	dated, err := a.vault.Folders(ctx)
	if err != nil {
		return err
	}
	if a.opts.Upcoming != "" {
		dated = slices.DeleteFunc(dated, func(f *vault.Folder) bool { return f.Name == a.opts.Upcoming })
		a.folders = append(a.folders, &folder{Candidate: Candidate{Name: a.opts.Upcoming, Complete: true, StartedAt: a.opts.Now()}, state: vault.StateComplete, good: true})
	}
	found := make([]*folder, len(dated))
	var group errgroup.Group
	group.SetLimit(inspections)
	for i, f := range dated {
		group.Go(func() error {
			found[i] = inspect(ctx, f)
			return ctx.Err()
		})
	}
	err = group.Wait()
	a.folders = append(a.folders, found...)
	return err
}

func inspect(ctx context.Context, dated *vault.Folder) *folder {
	f := &folder{Candidate: Candidate{Name: dated.Name}}
	found, err := dated.Inspect(ctx)
	if err != nil {
		f.state, f.fault = stateUnreadable, err
		return f
	}
	f.state, f.fault = found.State, found.Fault
	f.Complete, f.Unfinished = found.State == vault.StateComplete, found.State.Unfinished()
	if found.Manifest != nil {
		f.StartedAt = found.Manifest.StartedAt
	}
	if f.Complete {
		f.sha256 = found.ManifestSHA256
	}
	return f
}

// decide makes the plan. Before anything goes, the store is asked for the objects of everything that stays as a backup; what is not whole keeps nothing,
// and the plan is made again without it.
func (a *application) decide(ctx context.Context) (Decision, error) {
	for {
		var err error
		if a.out.Held, err = a.held(ctx); err != nil || a.out.Held != "" {
			return Decision{}, err
		}
		candidates := make([]Candidate, len(a.folders))
		for i, f := range a.folders {
			candidates[i] = f.Candidate
		}
		decision := Plan(a.opts.Keep, candidates)
		if len(decision.Go) == 0 {
			return decision, nil
		}
		var unchecked []*folder
		for _, s := range decision.Stay {
			if f := a.folder(s.Name); f.Complete && !f.good {
				unchecked = append(unchecked, f)
			}
		}
		if len(unchecked) == 0 {
			return decision, nil
		}
		var group errgroup.Group
		group.SetLimit(inspections)
		for _, f := range unchecked {
			group.Go(func() error {
				a.check(ctx, f)
				return ctx.Err()
			})
		}
		if err := group.Wait(); err != nil {
			return Decision{}, err
		}
	}
}

func (a *application) folder(name string) *folder {
	return a.folders[slices.IndexFunc(a.folders, func(f *folder) bool { return f.Name == name })]
}

// check compares what the store lists with the manifest of a backup that shall stay.
func (a *application) check(ctx context.Context, f *folder) {
	b, err := a.vault.Folder(f.Name).Open(ctx)
	if err == nil {
		err = b.CheckListing(ctx)
	}
	if err != nil {
		f.Complete, f.state, f.fault = false, vault.StateDamaged, fmt.Errorf("it was not counted as a backup, because it could not be shown to be whole: %w", err)
		return
	}
	f.good, f.sha256 = true, b.ManifestSHA256
}

// each does something to every folder that goes, some at a time, oldest first, and notes what became of it. Only the end of the context ends it.
func (a *application) each(ctx context.Context, gone []Verdict, do func(context.Context, *folder, Verdict) error) error {
	var group errgroup.Group
	group.SetLimit(a.opts.Concurrency)
	for _, verdict := range gone {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			err := do(ctx, a.folder(verdict.Name), verdict)
			if err != nil {
				a.left(verdict.Name, reasonOf(err))
				return nil
			}
			a.mu.Lock()
			defer a.mu.Unlock()
			a.out.Removed = append(a.out.Removed, verdict.Name)
			return nil
		})
	}
	_ = group.Wait() // its functions return no errors
	return context.Cause(ctx)
}

// reasonOf says in words why a folder stays.
func reasonOf(err error) string {
	switch {
	case errors.Is(err, errBusy), errors.Is(err, errInUse):
		return err.Error()
	case errors.Is(err, vault.ErrProtected):
		return "it is protected, and will be tried again: " + err.Error()
	case errors.Is(err, vault.ErrStranger), errors.Is(err, vault.ErrUnproved), errors.Is(err, vault.ErrChanged):
		return err.Error()
	}
	return "the next run tries again: " + err.Error()
}

func (a *application) removal(f *folder, verdict Verdict) vault.Removal {
	return vault.Removal{ManifestSHA256: f.sha256, At: a.opts.Now(), Reason: verdict.Reason}
}

// remove deletes one folder under its lease.
func (a *application) remove(ctx context.Context, f *folder, verdict Verdict) error {
	err := a.underLease(ctx, f.Name, func(hold *lease.Lease) error {
		if err := a.unused(hold.Context(), f.Name); err != nil {
			return err
		}
		removal := a.removal(f, verdict)
		removal.Ready = hold.Check
		return a.vault.Remove(hold.Context(), f.Name, removal)
	})
	line := zerolog.Ctx(ctx).Info()
	if err != nil {
		line = zerolog.Ctx(ctx).Warn().Err(err)
	}
	line.Str("operation", "retention").Str("path", a.vault.Folder(f.Name).Path()).Bool("removed", err == nil).Msg(verdict.Reason)
	return err
}

// errBusy is the error of a folder that a run works on.
var errBusy = errors.New("a run is at work on it")

// errInUse is the error of a folder that a restore reads.
var errInUse = errors.New("it is being restored from")

// underLease does something while no run is at work on the folder. A lease that a dead run left behind is waited for; a living one is not.
func (a *application) underLease(ctx context.Context, name string, do func(*lease.Lease) error) error {
	hold, err := a.acquire(ctx, a.vault.LeaseKey(name), errBusy)
	if err != nil {
		return err
	}
	defer a.release(ctx, hold, name)
	return do(hold)
}

// unused is [errInUse] while a restore reads from the folder, whose lease is held. What a killed restore left behind is waited for and cleared away.
func (a *application) unused(ctx context.Context, name string) error {
	keys, err := a.vault.UseKeys(ctx, name)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, key := range keys {
		group.Go(func() error {
			hold, err := a.acquire(ctx, key, errInUse)
			if err == nil {
				a.release(ctx, hold, name)
			}
			return err
		})
	}
	return group.Wait()
}

// acquire gets a lease that nobody alive holds, else the error busy. How long it waits is bounded: a dead holder's lease passes on within it.
func (a *application) acquire(ctx context.Context, key string, busy error) (*lease.Lease, error) {
	const defaultTTL = 30 * time.Second // of package lease
	patience := max(a.opts.Lease.TTL, 0)
	if patience == 0 {
		patience = defaultTTL
	}
	// The lease is bound to its context, so that must not be one with a deadline.
	waiting, giveUp := context.WithCancelCause(ctx)
	timer := time.AfterFunc(patience*3/2, func() { giveUp(busy) })
	hold, err := lease.Acquire(waiting, a.vault.Store(), key, a.opts.Lease)
	if !timer.Stop() && err == nil { // it came at the last moment
		a.release(ctx, hold, key)
		err = busy
	}
	if err != nil {
		defer giveUp(nil)
		if cause := context.Cause(waiting); errors.Is(cause, busy) {
			return nil, busy
		}
		return nil, err
	}
	context.AfterFunc(hold.Context(), func() { giveUp(nil) })
	return hold, nil
}

func (a *application) release(ctx context.Context, hold *lease.Lease, what string) {
	release, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := hold.Release(release); err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Str("operation", "retention").Str("lease", what).Msg("the lease was not released; the next run waits until it is stale")
	}
}

// withdraw takes back the tombstones of backups that stay: a removal was cut off before it removed anything, and the rules have changed since. With its
// tombstone in place, nobody would notice when such a backup vanished.
func (a *application) withdraw(ctx context.Context, stay []Verdict) {
	names, err := a.vault.Tombstones(ctx)
	if err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Str("operation", "retention").Msg("the tombstones were not looked at")
		return
	}
	for _, s := range stay {
		if f := a.folder(s.Name); !f.Complete || !slices.Contains(names, f.Name) {
			continue
		}
		if err := a.underLease(ctx, s.Name, func(hold *lease.Lease) error { return a.vault.Unbury(hold.Context(), s.Name) }); err != nil {
			zerolog.Ctx(ctx).Warn().Err(err).Str("operation", "retention").Str("folder", s.Name).Msg("the tombstone of a backup that stays was not taken back")
		}
	}
}
