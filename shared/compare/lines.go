package compare

import (
	"fmt"
	"strings"

	"github.com/aymanbagabas/go-udiff"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
)

const (
	// contextLines stand before and after what differs.
	contextLines = 3
	// mostDiff is how long a diff gets, in bytes. The whole texts are in the backup and in the workspace.
	mostDiff = 2000
	// mostDiffed is the longest text, in bytes, that lines are compared of. Of longer ones they are counted only.
	mostDiffed = 256 << 10
)

// IsText tells whether a place in a definition holds text whose lines are what one wants to see: a script's, or one in a node's property that has several.
func IsText(kind asset.Kind, c rawjson.Change) bool {
	if kind == asset.Scripts && c.Path == "content" {
		return true
	}
	if kind != asset.Jobs || !strings.HasPrefix(c.Path, "nodes[") || !strings.HasSuffix(c.Path, "].value") {
		return false
	}
	old, now := texts(c)
	return strings.Contains(old, "\n") || strings.Contains(now, "\n")
}

// texts are both sides of a change; empty where there is none, or no text.
func texts(c rawjson.Change) (old, now string) {
	old, _ = rawjson.String([]byte(c.From))
	now, _ = rawjson.String([]byte(c.To))
	return old, now
}

// lineChanges says how many lines two texts do not have in common.
func lineChanges(c rawjson.Change) string {
	old, now := texts(c)
	count := map[string]int{}
	for line := range strings.SplitSeq(old, "\n") {
		count[line]++
	}
	added := 0
	for line := range strings.SplitSeq(now, "\n") {
		if count[line] > 0 {
			count[line]--
		} else {
			added++
		}
	}
	removed := 0
	for _, n := range count {
		removed += n
	}
	return fmt.Sprintf("lines of text: %d added, %d removed", added, removed)
}

// lineDiff is the unified diff of two texts, cut where it gets long; empty where they are too long to be compared.
func lineDiff(c rawjson.Change, view View) string {
	old, now := texts(c)
	if len(old) > mostDiffed || len(now) > mostDiffed {
		return ""
	}
	diff, err := udiff.ToUnified(view.From, view.To, old, udiff.Lines(old, now), contextLines)
	if err != nil { // the edits are those of this very text
		return ""
	}
	if len(diff) <= mostDiff {
		return diff
	}
	end := strings.LastIndexByte(diff[:mostDiff], '\n') + 1
	if _, lines, _ := strings.Cut(diff[:end], "@@\n"); lines == "" { // the first line is too long by itself
		return strings.ToValidUTF8(diff[:mostDiff], "") + "…\n"
	}
	return fmt.Sprintf("%s… %d more lines\n", diff[:end], strings.Count(diff[end:], "\n"))
}
