package page

import (
	"cmp"
	"fmt"
	"html/template"
	"strings"
)

// Node is one asset in the picture of dependencies.
type Node struct {
	Kind, Name string
	Href       string // empty where there is nothing to open
	Absent     bool   // the backup does not hold it
	Distance   int    // from the first node: above 0 it is needed, below 0 it needs
}

// Edge is a dependency between two nodes, by their numbers: From needs To.
type Edge struct{ From, To int }

// Measures of the picture, in pixels.
const (
	boxWidth, boxHeight = 190, 40
	gapWidth, gapHeight = 70, 14
	margin              = 12
	longestLabel        = 24 // characters
)

// Picture draws the dependencies around the first node as SVG: what it needs stands to its left, what needs it to its right, in columns by distance. Names are
// escaped. It has no style of its own, as the policy of the page wants it.
func Picture(nodes []Node, edges []Edge) template.HTML {
	if len(nodes) == 0 {
		return ""
	}
	lowest, highest, most := 0, 0, 0
	columns := make([]int, len(nodes))
	rows := map[int]int{} // how many nodes stand in a column
	row := make([]int, len(nodes))
	for i, n := range nodes {
		column := -n.Distance
		columns[i] = column
		row[i] = rows[column]
		rows[column]++
		lowest, highest, most = min(lowest, column), max(highest, column), max(most, rows[column])
	}
	width := (highest-lowest+1)*boxWidth + (highest-lowest)*gapWidth + 2*margin
	height := most*boxHeight + (most-1)*gapHeight + 2*margin
	x := func(i int) int { return margin + (columns[i]-lowest)*(boxWidth+gapWidth) }
	y := func(i int) int {
		used := rows[columns[i]]*(boxHeight+gapHeight) - gapHeight
		return (height-used)/2 + row[i]*(boxHeight+gapHeight)
	}

	var out strings.Builder
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" aria-hidden="true" focusable="false">`, width, height, width, height)
	out.WriteString(`<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto-start-reverse"><path class="tip" d="M0 0 8 4 0 8z"/></marker></defs>`)
	for _, e := range edges {
		if e.From < 0 || e.To < 0 || e.From >= len(nodes) || e.To >= len(nodes) || e.From == e.To {
			continue
		}
		out.WriteString(curve(x(e.To), y(e.To), x(e.From), y(e.From)))
	}
	for i, n := range nodes {
		class := "node"
		if i == 0 {
			class += " here"
		}
		if n.Absent {
			class += " absent"
		}
		box := fmt.Sprintf(`<g class="%s"><title>%s %s</title><rect x="%d" y="%d" width="%d" height="%d" rx="8"/><text class="what" x="%d" y="%d">%s</text><text x="%d" y="%d">%s</text></g>`,
			class, escape(n.Kind), escape(n.Name), x(i), y(i), boxWidth, boxHeight, x(i)+10, y(i)+15, escape(n.Kind), x(i)+10, y(i)+31, escape(label(n.Name)))
		if strings.HasPrefix(n.Href, "?") { // our own views only
			box = `<a href="` + escape(n.Href) + `" tabindex="-1">` + box + `</a>`
		}
		out.WriteString(box)
	}
	out.WriteString(`</svg>`)
	return template.HTML(out.String()) //nolint:gosec // texts are escaped, the rest is numbers
}

// curve is an arrow from the right side of one box to the left side of another.
func curve(fromX, fromY, toX, toY int) string {
	fromX, fromY, toY = fromX+boxWidth, fromY+boxHeight/2, toY+boxHeight/2
	bend := max(gapWidth/2, abs(toX-fromX)/2)
	return fmt.Sprintf(`<path class="edge" marker-end="url(#arrow)" d="M%d %dC%d %d %d %d %d %d"/>`, fromX, fromY, fromX+bend, fromY, toX-bend, toY, toX-1, toY)
}

func abs(n int) int { return max(n, -n) }

func label(name string) string {
	if runes := []rune(name); len(runes) > longestLabel {
		return string(runes[:longestLabel-1]) + "…"
	}
	return cmp.Or(name, "–")
}

func escape(text string) string {
	return template.HTMLEscapeString(strings.ToValidUTF8(text, "\uFFFD"))
}
