package retention

import (
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
	there := map[asset.Ref]bool{}
	for _, a := range today.Assets {
		there[a.Ref().Identity()] = true
	}
	for _, a := range yesterday.Assets {
		if a.Kind == asset.Env {
			continue
		}
		of++
		if !there[a.Ref().Identity()] {
			lost++
		}
	}
	return lost + max(0, yesterday.Counts[asset.Env]-today.Counts[asset.Env]), of + yesterday.Counts[asset.Env]
}

// held says why nothing may be removed; empty: something may.
func held(folders []*folder, opts Options) string {
	if opts.Newest != "" && opts.Newest != vault.Complete {
		return fmt.Sprintf("the newest run is %s; nothing is removed until one is COMPLETE", opts.Newest)
	}
	if TooMuchLost(opts.Lost, opts.Of) {
		return fmt.Sprintf("%d of %d assets are gone since the backup before this one, more than a fifth; nothing is removed", opts.Lost, opts.Of)
	}
	return unfinishedNewest(folders)
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
