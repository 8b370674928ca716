package chromium

import (
	"fmt"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

func eval[R any](tab *Tab, expression string) (R, error) {
	return run(tab, chromedp.Evaluate[R](expression, chromedp.EvalAwaitPromise))
}

// Eval is the value of an expression of script in the page. Promises are waited for. It is for looking; what a person does, the methods of Area do.
func Eval[R any](tab *Tab, expression string) R {
	tab.t.Helper()
	value, err := eval[R](tab, expression)
	if err != nil {
		tab.t.Fatalf("%s: %v\n%s", expression, err, tab.state())
	}
	return value
}

// Until waits until an expression of script is true.
func (tab *Tab) Until(what, expression string) {
	tab.t.Helper()
	tab.until(what, func() (string, error) {
		ok, err := eval[bool](tab, "!!("+expression+")")
		if err == nil && !ok {
			return "it is not so: " + expression, nil
		}
		return "", err
	})
}

// Press presses a key: "Tab", "Shift+Tab", "Enter", "Escape", "Delete", "ArrowDown", "ArrowRight", "Home", "End", or a character.
func (tab *Tab) Press(key string) {
	tab.t.Helper()
	named := map[string]string{"Tab": kb.Tab, "Enter": kb.Enter, "Escape": kb.Escape, "Delete": kb.Delete, "Space": " ", "ArrowDown": kb.ArrowDown, "ArrowUp": kb.ArrowUp,
		"ArrowRight": kb.ArrowRight, "ArrowLeft": kb.ArrowLeft, "Home": kb.Home, "End": kb.End}
	var options []chromedp.KeyOption
	if key == "Shift+Tab" {
		key = "Tab"
		options = append(options, chromedp.KeyModifiers(chromedp.ModifierShift))
	}
	if code, ok := named[key]; ok {
		key = code
	}
	if err := do(tab, chromedp.KeyEvent(key, options...)); err != nil {
		tab.t.Fatalf("press %q: %v", key, err)
	}
}

// Focus says which element has the focus, as a screen reader would: "button Restore". It is empty where none has.
func (tab *Tab) Focus() string {
	tab.t.Helper()
	all, err := tab.tree("")
	if err != nil {
		tab.t.Fatalf("look for the focus: %v", err)
	}
	said := ""
	for _, f := range all {
		if f.properties["focused"] == "true" && f.role != "RootWebArea" {
			said = f.role + " " + f.name
		}
	}
	return said
}

// LongTasks are the times for which the page could not answer, since it was opened. The browser counts from 50 ms on.
func (tab *Tab) LongTasks() []time.Duration {
	tab.t.Helper()
	var all []time.Duration
	for _, ms := range Eval[[]float64](tab, "longTasks") {
		all = append(all, time.Duration(ms*float64(time.Millisecond)))
	}
	return all
}

// Overflow is by how many pixels the page is wider than its window.
func (tab *Tab) Overflow() int {
	tab.t.Helper()
	return Eval[int](tab, "document.documentElement.scrollWidth - document.documentElement.clientWidth")
}

// Wide names the elements that reach beyond the right edge of the window and do not lie in something that scrolls, at most five.
func (tab *Tab) Wide() []string {
	tab.t.Helper()
	return Eval[[]string](tab, `(() => {
		const scrolls = e => { for (let p = e.parentElement; p && p !== document.body; p = p.parentElement) if (/auto|scroll|hidden|clip/.test(getComputedStyle(p).overflowX)) return true; return false };
		return [...document.body.querySelectorAll('*')].filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1 && !scrolls(e))
			.slice(0, 5).map(e => e.cloneNode(false).outerHTML.slice(0, 120));
	})()`)
}

// Violation is a rule of accessibility that the page breaks.
type Violation struct {
	ID, Impact, Help string
	Where            []string // selectors of elements, with what is wrong with each
}

func (v Violation) String() string {
	return fmt.Sprintf("%s (%s): %s %q", v.ID, v.Impact, v.Help, v.Where)
}

// Violations holds what is shown against the rules of axe-core, whose source is given. It runs in a world of its own, where the page's policy does not reach.
func (tab *Tab) Violations(axe string) []Violation {
	tab.t.Helper()
	frames, err := call(tab, page.GetFrameTree, cdp.Empty{})
	if err != nil {
		tab.t.Fatalf("check the accessibility: %v", err)
	}
	world, err := call(tab, page.CreateIsolatedWorld, page.CreateIsolatedWorldParams{FrameID: frames.FrameTree.Frame.ID, WorldName: "axe"})
	if err != nil {
		tab.t.Fatalf("check the accessibility: %v", err)
	}
	there := func(p *runtime.EvaluateParams) { p.ContextID = world.ExecutionContextID }
	if err := do(tab, chromedp.Evaluate[chromedp.Void](axe+";0", there)); err != nil {
		tab.t.Fatalf("check the accessibility: %v", err)
	}
	found, err := run(tab, chromedp.Evaluate[[]Violation](`axe.run(document, {resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}).then(r =>
		r.violations.map(v => ({ID: v.id, Impact: v.impact, Help: v.help, Where: v.nodes.slice(0, 5).map(n => n.target.join(' ') + ': ' + n.failureSummary.replace(/\s+/g, ' '))})))`,
		there, chromedp.EvalAwaitPromise))
	if err != nil {
		tab.t.Fatalf("check the accessibility: %v", err)
	}
	return found
}

// Picture is what the window shows, as PNG; with whole, all of the page.
func (tab *Tab) Picture(whole bool) []byte {
	tab.t.Helper()
	params := page.CaptureScreenshotParams{Format: page.CaptureScreenshotFormatPng}
	if whole {
		height := Eval[float64](tab, "document.documentElement.scrollHeight")
		params.CaptureBeyondViewport = new(true)
		params.Clip = &page.Viewport{Width: float64(tab.view.Width), Height: height, Scale: 1}
	}
	picture, err := call(tab, page.CaptureScreenshot, params)
	if err != nil {
		tab.t.Fatalf("take a picture: %v", err)
	}
	return picture.Data
}
