package chromium

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Area is a part of the page: all of it, a dialog, a row of a table. Things in it are found as a screen reader would name them: by role ("button", "link",
// "textbox", "combobox", "checkbox", "radio", "tab", "dialog", "row", "heading"...) and name. A name means the thing with just this name, or else the only
// one with the name in it, upper and lower case being the same.
type Area struct {
	tab  *Tab
	node cdp.BackendNodeID // 0: the document
	what string
}

// found is a thing in the accessibility tree.
type found struct {
	node       cdp.BackendNodeID
	role, name string
	value      string
	properties map[string]string
}

// tree lists what has a role in the area, in the order of the page. What is hidden is not listed.
func (a Area) tree(role string) ([]found, error) {
	if err := a.tab.arrived(); err != nil {
		return nil, err
	}
	return run(a.tab, func(ctx context.Context, target *chromedp.Target) ([]found, error) {
		root := a.node
		if root == 0 {
			document, err := cdp.Call(ctx, target, dom.GetDocument, dom.GetDocumentParams{Depth: new(int64(0))})
			if err != nil {
				return nil, err
			}
			root = document.Root.BackendNodeID
		}
		answer, err := cdp.Call(ctx, target, accessibility.QueryAXTree, accessibility.QueryAXTreeParams{BackendNodeID: root, Role: role})
		if err != nil {
			return nil, err
		}
		var all []found
		for _, n := range answer.Nodes {
			if n.Ignored {
				continue
			}
			f := found{node: n.BackendDOMNodeID, role: text(n.Role), name: strings.Join(strings.Fields(text(n.Name)), " "), value: text(n.Value), properties: map[string]string{}}
			for _, p := range n.Properties {
				f.properties[string(p.Name)] = text(p.Value)
			}
			all = append(all, f)
		}
		return all, nil
	})
}

// text is a value of the tree as text.
func text(v *accessibility.Value) string {
	if v == nil {
		return ""
	}
	var s string
	if json.Unmarshal(v.Value, &s) == nil {
		return s
	}
	return string(v.Value)
}

// one is the thing with this role and name; the problem says why there is none, or not one.
func (a Area) one(role, name string) (thing found, problem string, err error) {
	all, err := a.tree(role)
	if err != nil {
		return found{}, "", err
	}
	var names []string
	for _, f := range all {
		names = append(names, f.name)
	}
	same := func(f found) bool { return strings.EqualFold(f.name, name) }
	within := func(f found) bool { return strings.Contains(strings.ToLower(f.name), strings.ToLower(name)) }
	for _, matches := range []func(found) bool{same, within} {
		matching := slices.DeleteFunc(slices.Clone(all), func(f found) bool { return !matches(f) })
		switch len(matching) {
		case 0:
			continue
		case 1:
			return matching[0], "", nil
		}
		return found{}, fmt.Sprintf("%d of the kind %s are called so%s: %q", len(matching), role, a.where(), names), nil
	}
	return found{}, fmt.Sprintf("no %s is called so%s; there are %q", role, a.where(), names), nil
}

func (a Area) where() string {
	if a.what == "" {
		return ""
	}
	return " in " + a.what
}

// wait waits for the one thing with this role and name.
func (a Area) wait(role, name string) found {
	a.tab.t.Helper()
	var thing found
	a.tab.until(fmt.Sprintf("the %s %q", role, name), func() (problem string, err error) {
		thing, problem, err = a.one(role, name)
		return problem, err
	})
	return thing
}

// In waits for a part of the area, e.g. In("dialog", "Restore Backup").
func (a Area) In(role, name string) Area {
	a.tab.t.Helper()
	thing := a.wait(role, name)
	return Area{tab: a.tab, node: thing.node, what: fmt.Sprintf("%s %q", role, thing.name)}
}

// Part waits for the one element that a selector finds, that can be seen and that has a text in it. It is for what has no name of its own, like most rows of a table.
func (a Area) Part(selector, text string) Area {
	a.tab.t.Helper()
	part := Area{tab: a.tab, what: fmt.Sprintf("%s with %q", selector, text)}
	a.tab.until(part.what+a.where(), func() (string, error) {
		return run(a.tab, func(ctx context.Context, target *chromedp.Target) (string, error) {
			root, err := a.object(ctx, target)
			if err != nil {
				return "", err
			}
			answer, err := cdp.Call(ctx, target, runtime.CallFunctionOn, runtime.CallFunctionOnParams{ObjectID: root, FunctionDeclaration: with(`function(selector, text) {
				const found = [...(this.body ?? this).querySelectorAll(selector)].filter(e => e.checkVisibility() && e.innerText.includes(text));
				return found.length === 1 ? found[0] : found.length;
			}`, selector, text)})
			if err != nil {
				return "", err
			}
			if answer.ExceptionDetails != nil {
				return "", &chromedp.ExceptionError{ExceptionDetails: answer.ExceptionDetails}
			}
			if answer.Result.ObjectID == "" {
				return fmt.Sprintf("there are %s", answer.Result.Value), nil
			}
			described, err := cdp.Call(ctx, target, dom.DescribeNode, dom.DescribeNodeParams{ObjectID: answer.Result.ObjectID})
			if err != nil {
				return "", err
			}
			part.node = described.Node.BackendNodeID
			return "", nil
		})
	})
	return part
}

// Row is the one row of a table with a text in it.
func (a Area) Row(text string) Area {
	a.tab.t.Helper()
	return a.Part("tbody tr", text)
}

// object is the area as script knows it.
func (a Area) object(ctx context.Context, target *chromedp.Target) (runtime.RemoteObjectID, error) {
	if a.node == 0 {
		document, err := cdp.Call(ctx, target, runtime.Evaluate, runtime.EvaluateParams{Expression: "document"})
		if err != nil {
			return "", err
		}
		return document.Result.ObjectID, nil
	}
	object, err := cdp.Call(ctx, target, dom.ResolveNode, dom.ResolveNodeParams{BackendNodeID: a.node})
	if err != nil {
		return "", err
	}
	return object.Object.ObjectID, nil
}

// with is a function of script with its arguments filled in. In the protocol's own fields, an empty text would be left out.
func with(function string, args ...any) string {
	raw, _ := json.Marshal(args) // texts and numbers can be encoded
	return "function() { return (" + function + ").apply(this, " + string(raw) + ") }"
}

// Wait waits until there is such a thing.
func (a Area) Wait(role, name string) {
	a.tab.t.Helper()
	a.wait(role, name)
}

// WaitGone waits until there is none.
func (a Area) WaitGone(role, name string) {
	a.tab.t.Helper()
	a.tab.until(fmt.Sprintf("the %s %q to be gone", role, name), func() (string, error) {
		_, problem, err := a.one(role, name)
		if err == nil && problem == "" {
			return "it is there", nil
		}
		return "", err
	})
}

// Has reports whether there is such a thing now.
func (a Area) Has(role, name string) bool {
	a.tab.t.Helper()
	_, problem, err := a.one(role, name)
	return err == nil && problem == ""
}

// Names are the names of all things with a role.
func (a Area) Names(role string) []string {
	a.tab.t.Helper()
	var names []string
	a.tab.until("the page", func() (string, error) {
		all, err := a.tree(role)
		names = nil
		for _, f := range all {
			names = append(names, f.name)
		}
		return "", err
	})
	return names
}

// Is reports whether a thing has a property of the accessibility tree that is true: "checked", "disabled", "selected", "expanded", "modal", "focused"...
func (a Area) Is(role, name, property string) bool {
	a.tab.t.Helper()
	return a.wait(role, name).properties[property] == "true"
}

// Value is the value of a field.
func (a Area) Value(role, name string) string {
	a.tab.t.Helper()
	return a.wait(role, name).value
}

// Click clicks where a thing is, after it was scrolled into view; on a phone it is touched. It fails if anything lies above it.
func (a Area) Click(role, name string) {
	a.tab.t.Helper()
	a.tab.until(fmt.Sprintf("the %s %q to be clicked", role, name), func() (string, error) {
		thing, problem, err := a.one(role, name)
		if err != nil || problem != "" {
			return problem, err
		}
		if thing.properties["disabled"] == "true" {
			return "it is disabled", nil
		}
		problem, err = a.tab.click(thing.node)
		if err != nil && strings.Contains(err.Error(), "(-32000)") { // the protocol's "no such node": the page has just put a newer one in its place
			return "it is being replaced", nil
		}
		return problem, err
	})
}

// Hit clicks the area itself, e.g. Part("summary", "orders").
func (a Area) Hit() {
	a.tab.t.Helper()
	a.tab.until(a.what+" to be clicked", func() (string, error) { return a.tab.click(a.node) })
}

// click clicks in the middle of a node.
func (tab *Tab) click(node cdp.BackendNodeID) (problem string, err error) {
	return run(tab, func(ctx context.Context, target *chromedp.Target) (string, error) {
		if _, err := cdp.Call(ctx, target, dom.ScrollIntoViewIfNeeded, dom.ScrollIntoViewIfNeededParams{BackendNodeID: node}); err != nil {
			return "", err
		}
		box, err := cdp.Call(ctx, target, dom.GetContentQuads, dom.GetContentQuadsParams{BackendNodeID: node})
		if err != nil {
			return "", err
		}
		if len(box.Quads) == 0 {
			return "it is not visible", nil
		}
		q := box.Quads[0]
		x, y := (q[0]+q[2]+q[4]+q[6])/4, (q[1]+q[3]+q[5]+q[7])/4
		object, err := cdp.Call(ctx, target, dom.ResolveNode, dom.ResolveNodeParams{BackendNodeID: node})
		if err != nil {
			return "", err
		}
		if !tab.view.NoScript { // two pictures later it has to be where it was: what moves, because something is still coming, would be missed
			if _, err := callOn[bool](ctx, target, object.Object.ObjectID, "() => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(() => r(true))))"); err != nil {
				return "", err
			}
			now, err := cdp.Call(ctx, target, dom.GetContentQuads, dom.GetContentQuadsParams{BackendNodeID: node})
			if err != nil {
				return "", err
			}
			if len(now.Quads) == 0 || !slices.Equal(now.Quads[0], q) {
				return "it moves", nil
			}
		}
		above, err := callOn[string](ctx, target, object.Object.ObjectID, `function(x, y) {
			const top = document.elementFromPoint(x, y);
			const label = this.labels ? [...this.labels] : [];
			return !top ? 'it is outside of the window' : this.contains(top) || top.contains(this) && getComputedStyle(this).display === 'contents' || label.some(l => l.contains(top)) ? '' :
				'above it lies ' + top.cloneNode(false).outerHTML;
		}`, x, y)
		if err != nil || above != "" {
			return above, err
		}
		if tab.view.Phone {
			return "", do(tab, chromedp.TapXY(x, y))
		}
		for _, kind := range []input.DispatchMouseEventType{input.DispatchMouseEventTypeMouseMoved, input.DispatchMouseEventTypeMousePressed, input.DispatchMouseEventTypeMouseReleased} {
			event := input.DispatchMouseEventParams{Type: kind, X: x, Y: y}
			if kind != input.DispatchMouseEventTypeMouseMoved {
				event.Button, event.ClickCount = input.MouseButtonLeft, 1
			}
			if _, err := cdp.Call(ctx, target, input.DispatchMouseEvent, event); err != nil {
				return "", err
			}
		}
		return "", nil
	})
}

// callOn calls a function of script on an object of the page.
func callOn[R any](ctx context.Context, target *chromedp.Target, object runtime.RemoteObjectID, function string, args ...any) (R, error) {
	var result R
	params := runtime.CallFunctionOnParams{FunctionDeclaration: with(function, args...), ObjectID: object, ReturnByValue: new(true), AwaitPromise: new(true)}
	answer, err := cdp.Call(ctx, target, runtime.CallFunctionOn, params)
	if err != nil {
		return result, err
	}
	if answer.ExceptionDetails != nil {
		return result, &chromedp.ExceptionError{ExceptionDetails: answer.ExceptionDetails}
	}
	if len(answer.Result.Value) == 0 {
		return result, nil
	}
	return result, json.Unmarshal(answer.Result.Value, &result)
}

// on calls a function of script on a thing.
func (a Area) on(thing found, function string, args ...any) (string, error) {
	return run(a.tab, func(ctx context.Context, target *chromedp.Target) (string, error) {
		object, err := cdp.Call(ctx, target, dom.ResolveNode, dom.ResolveNodeParams{BackendNodeID: thing.node})
		if err != nil {
			return "", err
		}
		return callOn[string](ctx, target, object.Object.ObjectID, function, args...)
	})
}

// Fill replaces what a text field holds, as somebody does who selects all and types.
func (a Area) Fill(role, name, value string) {
	a.tab.t.Helper()
	a.tab.until(fmt.Sprintf("the %s %q to be filled", role, name), func() (string, error) {
		thing, problem, err := a.one(role, name)
		if err != nil || problem != "" {
			return problem, err
		}
		if _, err := a.on(thing, `function() { this.focus(); this.select() }`); err != nil {
			return "", err
		}
		if value == "" {
			a.tab.Press("Delete")
			return "", nil
		}
		return "", do(a.tab, command(input.InsertText, input.InsertTextParams{Text: value}))
	})
}

// Choose chooses an option of a select by its text or value.
func (a Area) Choose(name, option string) {
	a.tab.t.Helper()
	a.tab.until(fmt.Sprintf("%q to be chosen in %q", option, name), func() (string, error) {
		thing, problem, err := a.one("combobox", name)
		if err != nil || problem != "" {
			return problem, err
		}
		return a.on(thing, `function(option) {
			const wanted = [...this.options].find(o => o.value === option || o.text.trim() === option);
			if (!wanted) return 'there are only ' + [...this.options].map(o => o.text).join(', ');
			this.focus(); this.value = wanted.value;
			for (const type of ['input', 'change']) this.dispatchEvent(new Event(type, {bubbles: true}));
			return '';
		}`, option)
	})
}

// Text is the visible text of the area.
func (a Area) Text() string {
	a.tab.t.Helper()
	var said string
	a.tab.until("the text", func() (_ string, err error) {
		said, err = a.text()
		return "", err
	})
	return said
}

func (a Area) text() (string, error) {
	if err := a.tab.arrived(); err != nil {
		return "", err
	}
	if a.node == 0 {
		return eval[string](a.tab, "document.body.innerText")
	}
	return a.on(found{node: a.node}, "function() { return this.innerText ?? this.textContent }")
}

// WaitText waits until all these texts can be seen in the area.
func (a Area) WaitText(texts ...string) {
	a.tab.t.Helper()
	a.tab.until(fmt.Sprintf("the texts %q%s", texts, a.where()), func() (string, error) {
		said, err := a.text()
		if err != nil {
			return "", err
		}
		for _, wanted := range texts {
			if !strings.Contains(said, wanted) {
				return fmt.Sprintf("%q is not there", wanted), nil
			}
		}
		return "", nil
	})
}
