package retention

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// LossShare is the part of yesterday's assets of which today may have lost that many and no more: one in five.
const LossShare = 5

// TooMuchLost tells whether lost of so many assets is more than a fifth.
func TooMuchLost(lost, of int) bool { return lost > 0 && lost*LossShare > of }

// Loss counts the assets of yesterday's manifest that today's does not have, and how many there were. Environment variables count one by one, as the manifest
// counts them, without their names, which it does not hold.
func Loss(today, yesterday *vault.Manifest) (lost, of int) {
	if today == nil || yesterday == nil {
		return 0, 0
	}
	return contentsOf(today).lossSince(contentsOf(yesterday))
}

// contents is what a backup holds, as far as a loss is counted: little beside the manifest.
type contents struct {
	assets    map[asset.Ref]bool
	variables int
}

func contentsOf(m *vault.Manifest) *contents {
	c := contents{assets: make(map[asset.Ref]bool, len(m.Assets)), variables: m.Counts[asset.Env]}
	for _, a := range m.Assets {
		if a.Kind != asset.Env {
			c.assets[a.Ref().Identity()] = true
		}
	}
	return &c
}

func (c *contents) lossSince(before *contents) (lost, of int) {
	for ref := range before.assets {
		if !c.assets[ref] {
			lost++
		}
	}
	return lost + max(0, before.variables-c.variables), len(before.assets) + before.variables
}

// held says why nothing may be removed; empty: something may.
func (a *application) held(ctx context.Context) (string, error) {
	if newest := a.opts.Newest; newest != "" && newest != vault.Complete {
		return fmt.Sprintf("the newest run is %s; nothing is removed until one is COMPLETE", newest), nil
	}
	if reason := unfinishedNewest(a.folders); reason != "" {
		return reason, nil
	}
	return a.massLoss(ctx)
}

// massLoss says that the newest date has lost too much of what the date before it held, or of what itself held earlier. All complete backups of the two dates
// count, nightly and by hand: one taken by hand after a mass deletion, which finds nothing more to miss, neither makes its own date forget
// it nor hides from the next date what was there before.
func (a *application) massLoss(ctx context.Context) (string, error) {
	var backups []*folder // that can be compared
	var newest string     // date
	for _, f := range slices.SortedFunc(slices.Values(a.folders), func(x, y *folder) int { return older(x.Candidate, y.Candidate) }) {
		if !f.Complete {
			continue
		}
		newest = f.date()
		if f.Name != a.opts.Upcoming { // which nobody knows yet
			backups = append(backups, f)
		}
	}
	before := ""
	for _, f := range backups {
		if f.date() < newest {
			before = f.date()
		}
	}
	backups = slices.DeleteFunc(backups, func(f *folder) bool { return f.date() < before })
	for _, today := range backups {
		for _, earlier := range backups {
			if today.date() != newest || !mayFollow(today, earlier) {
				continue
			}
			if err := errors.Join(a.read(ctx, earlier), a.read(ctx, today)); err != nil {
				return fmt.Sprintf("it cannot be told whether much is lost: %v; nothing is removed", err), context.Cause(ctx)
			}
			if lost, of := today.contents.lossSince(earlier.contents); TooMuchLost(lost, of) {
				return fmt.Sprintf("%d of the %d assets of %s are gone from %s, more than a fifth; nothing is removed", lost, of, earlier.Name, today.Name), nil
			}
		}
	}
	return "", nil
}

// mayFollow tells whether one backup may show the workspace as it was after another. Of one date, their names and the clocks of their runs may disagree: a
// nightly run may be late.
func mayFollow(later, earlier *folder) bool {
	return later != earlier && (later.Name > earlier.Name || later.StartedAt.After(earlier.StartedAt))
}

// read takes in what a complete backup holds. One manifest is in memory at a time.
func (a *application) read(ctx context.Context, f *folder) error {
	if f.contents != nil {
		return nil
	}
	m, sha256, err := a.vault.Folder(f.Name).Manifest(ctx)
	if err != nil {
		return err
	}
	if sha256 != f.sha256 {
		return fmt.Errorf("%s: %w", a.vault.Folder(f.Name).Path(), vault.ErrChanged)
	}
	f.contents = contentsOf(m)
	return nil
}

// unfinishedNewest says what is wrong with the newest of our folders, if it is not a complete backup. A run that failed is forgotten when a later one of
// the same day is complete; where it cannot be told which was later, it counts.
func unfinishedNewest(folders []*folder) string {
	ours := slices.DeleteFunc(slices.Clone(folders), func(f *folder) bool { return f.state == vault.StateUnverified })
	if len(ours) == 0 {
		return ""
	}
	date := slices.MaxFunc(ours, func(a, b *folder) int { return older(a.Candidate, b.Candidate) }).date()
	var newest *folder
	for _, f := range ours {
		if f.date() == date && f.Complete && (newest == nil || older(newest.Candidate, f.Candidate) < 0) {
			newest = f
		}
	}
	for _, f := range ours {
		if f.date() != date || f.Complete || newest != nil && supersedes(newest, f) {
			continue
		}
		return fmt.Sprintf("%s, of the newest date, is %s; nothing is removed until a backup of that date or a later one is COMPLETE", f.Name, f.state)
	}
	return ""
}

// supersedes tells whether a complete backup was surely started after a run of the same date that failed.
func supersedes(complete, failed *folder) bool {
	if !failed.StartedAt.IsZero() {
		return complete.StartedAt.After(failed.StartedAt)
	}
	byHand := func(f *folder) bool { return f.Name != f.date() }
	return byHand(complete) && byHand(failed) && complete.Name > failed.Name
}
