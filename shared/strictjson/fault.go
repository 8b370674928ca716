package strictjson

import (
	"fmt"
	"slices"
	"strings"
)

// maxFaults is how many faults of one document are listed. A document with more is not being edited but is another
// document, and its list would be many times its own size.
const maxFaults = 1000

// Fault is one thing wrong with a document.
type Fault struct {
	// Line and Column say where, both from 1. A column is a character, not a byte.
	Line, Column int
	// Path names the value, like select.kinds[1]. It is empty for the document itself.
	Path string
	// Problem says what is wrong and what was expected.
	Problem string
}

// String is the fault as one line for people.
func (f Fault) String() string {
	if f.Path == "" {
		return fmt.Sprintf("line %d, column %d: %s", f.Line, f.Column, f.Problem)
	}
	return fmt.Sprintf("line %d, column %d, %s: %s", f.Line, f.Column, f.Path, f.Problem)
}

// Faults is every fault of a document, in the order of the document when Err made it an error.
type Faults []Fault

// Error lists the faults, separated by "; ", which reads the same in a log line and in an HTTP answer.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, fault := range f {
		lines[i] = fault.String()
	}
	return strings.Join(lines, "; ")
}

// Err returns the faults as an error, sorted by line and column, or nil when there are none.
func (f Faults) Err() error {
	if len(f) == 0 {
		return nil
	}
	sorted := slices.Clone(f)
	slices.SortStableFunc(sorted, func(a, b Fault) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	return sorted
}

// collector gathers the faults of one pass over a document, up to maxFaults.
type collector struct {
	positions *positions
	faults    Faults
	full      bool
}

// add notes a fault at the byte offset. It is false when no further fault will be listed.
func (c *collector) add(offset int, path path, problem string) bool {
	if c.full {
		return false
	}
	line, column := c.positions.at(offset)
	if len(c.faults) == maxFaults {
		c.full = true
		problem = fmt.Sprintf("more faults follow, only the first %d are listed", maxFaults)
		c.faults = append(c.faults, Fault{Line: line, Column: column, Problem: problem})
		return false
	}
	c.faults = append(c.faults, Fault{Line: line, Column: column, Path: path.String(), Problem: problem})
	return true
}
