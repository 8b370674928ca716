package strictjson

// Document is a parsed JSON document that knows where each of its values stands. It is safe for concurrent use.
type Document struct {
	data      []byte
	positions *positions
	root      node
}

// Parse reads a document without a Go type in mind. The error is a Faults: a syntax error, fields that stand twice, text
// that is not UTF-8. The document keeps data, which must not change afterwards.
//
// One pass finds the place of every value, so that FaultAt is quick in documents of many megabytes.
func Parse(data []byte) (*Document, error) {
	doc, faults := parse(data)
	if err := faults.Err(); err != nil {
		return nil, err
	}
	return doc, nil
}

// Decode fills the value that into points to, as the function Decode does.
func (d *Document) Decode(into any) error {
	target, err := targetOf(into)
	if err != nil {
		return err
	}
	return d.fill(target).Err()
}

// FaultAt returns a fault with the line and column of the value at path, for faults that only the caller can see: a job
// that does not exist, two fields that exclude each other. Paths are written as Field and Element make them, like
// jobs.HiveSQL[3].connectionName. Where the document has no such value, the position is that of the nearest value around it.
func (d *Document) FaultAt(path, problem string) Fault {
	n, _ := d.find(path)
	line, column := d.positions.at(n.start)
	return Fault{Line: line, Column: column, Path: path, Problem: problem}
}

// Value returns the JSON text of the value at path as it stands in the document, and whether there is one.
func (d *Document) Value(path string) (text []byte, found bool) {
	n, found := d.find(path)
	if !found {
		return nil, false
	}
	return d.data[n.start:n.end:n.end], true
}

// find returns the value at a path, or the nearest value around it and false.
func (d *Document) find(text string) (*node, bool) {
	n := &d.root
	steps, whole := parsePath(text)
	for _, s := range steps {
		next := n.child(s)
		if next == nil {
			return n, false
		}
		n = next
	}
	return n, whole
}

// kind is the JSON type of a value.
type kind uint8

const (
	absent kind = iota // No value was read: the document breaks off here.
	null
	boolean
	number
	text
	array
	object
)

// String is the kind as it reads after "found".
func (k kind) String() string {
	return [...]string{"nothing", "null", "true or false", "a number", "a string", "a list", "an object"}[k]
}

// node is one value: the bytes from start up to end.
type node struct {
	kind       kind
	cut        bool // A syntax error stands inside; children are what was read before it.
	start, end int
	children   []child        // The elements of a list, the fields of an object.
	byName     map[string]int // The place in children by name, in an object of more than fewFields.
}

// child is an element or a field; an element has no name.
type child struct {
	name   string
	nameAt int
	value  node
}

// fewFields is how many fields are found faster by looking at each than through a map.
const fewFields = 8

// named returns the field of an object, or nil.
func (n *node) named(name string) *child {
	if n.byName != nil {
		if i, ok := n.byName[name]; ok {
			return &n.children[i]
		}
		return nil
	}
	for i := range n.children {
		if n.children[i].name == name {
			return &n.children[i]
		}
	}
	return nil
}

// add appends a field to an object.
func (n *node) add(c child) {
	n.children = append(n.children, c)
	switch {
	case n.byName != nil:
		n.byName[c.name] = len(n.children) - 1
	case len(n.children) > fewFields:
		n.byName = make(map[string]int, 2*len(n.children))
		for i := range n.children {
			n.byName[n.children[i].name] = i
		}
	}
}

// child returns the value one step below, or nil.
func (n *node) child(s step) *node {
	switch {
	case n.kind == array && s.isElement() && s.index < len(n.children):
		return &n.children[s.index].value
	case n.kind == object && !s.isElement():
		if c := n.named(s.name); c != nil {
			return &c.value
		}
	}
	return nil
}
