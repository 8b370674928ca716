package restore

import (
	"fmt"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
)

// lineChanges says how many lines two texts, given as JSON strings, do not have in common.
func lineChanges(from, to string) string {
	old, _ := rawjson.String([]byte(from))
	now, _ := rawjson.String([]byte(to))
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
