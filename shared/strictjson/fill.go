package strictjson

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// fill sets target to the document's value and returns what does not fit.
func (d *Document) fill(target reflect.Value) Faults {
	if d.root.kind == absent {
		return nil
	}
	f := &filler{data: d.data, faults: collector{positions: d.positions}, fields: map[reflect.Type]fieldSet{}}
	f.fill(&d.root, target)
	return f.faults.faults
}

// filler sets Go values from nodes.
type filler struct {
	data   []byte
	path   path
	faults collector
	fields map[reflect.Type]fieldSet
}

func (f *filler) raw(n *node) []byte { return f.data[n.start:n.end:n.end] }

// wrong notes that the value at n is not what was wanted, by its kind alone.
func (f *filler) wrong(n *node, want string) {
	f.faults.add(n.start, f.path, fmt.Sprintf("found %s, want %s", n.kind, want))
}

// at does something one step further down the path.
func (f *filler) at(s step, do func()) {
	f.path = append(f.path, s)
	do()
	f.path = f.path[:len(f.path)-1]
}

func (f *filler) fill(n *node, v reflect.Value) {
	if f.faults.full {
		return
	}
	if v.Kind() == reflect.Pointer {
		if n.kind == null {
			v.SetZero()
			return
		}
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		f.fill(n, v.Elem())
		return
	}
	if f.own(n, v) {
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		f.fillStruct(n, v)
	case reflect.Map:
		f.fillMap(n, v)
	case reflect.Slice:
		f.fillSlice(n, v)
	case reflect.String:
		if n.kind != text {
			f.wrong(n, "a string")
			return
		}
		v.SetString(unquote(f.raw(n)))
	case reflect.Bool:
		if n.kind != boolean {
			f.wrong(n, "true or false")
			return
		}
		v.SetBool(f.data[n.start] == 't')
	default:
		f.fillNumber(n, v)
	}
}

// own fills the types that decide for themselves what they read. It is false for all others.
func (f *filler) own(n *node, v reflect.Value) bool {
	switch target := v.Addr().Interface().(type) {
	case *json.RawMessage:
		*target = append(json.RawMessage(nil), f.raw(n)...)
	case *json.Number:
		if n.kind != number {
			f.wrong(n, "a number")
			break
		}
		*target = json.Number(f.raw(n))
	case *time.Time:
		const want = "a time with an offset like 2026-01-02T15:04:05Z (RFC 3339)"
		if n.kind != text {
			f.wrong(n, want)
			break
		}
		value := unquote(f.raw(n))
		if err := target.UnmarshalText([]byte(value)); err != nil {
			f.faults.add(n.start, f.path, fmt.Sprintf("found %s, want %s", quote(value), want))
		}
	case json.Unmarshaler:
		if n.cut {
			break
		}
		if err := target.UnmarshalJSON(f.raw(n)); err != nil {
			f.faults.add(n.start, f.path, err.Error())
		}
	case encoding.TextUnmarshaler:
		if n.kind != text {
			f.wrong(n, "a string")
			break
		}
		if err := target.UnmarshalText([]byte(unquote(f.raw(n)))); err != nil {
			f.faults.add(n.start, f.path, err.Error())
		}
	default:
		return false
	}
	return true
}

func (f *filler) fillStruct(n *node, v reflect.Value) {
	if n.kind != object {
		f.wrong(n, "an object")
		return
	}
	known, seen := f.fields[v.Type()]
	if !seen {
		known = fieldsOf(v.Type())
		f.fields[v.Type()] = known
	}
	for i := range n.children {
		c := &n.children[i]
		f.at(field(c.name), func() {
			if index, ok := known.index[c.name]; ok {
				f.fill(&c.value, v.Field(index))
			} else {
				f.faults.add(c.nameAt, f.path, unknownField(c.name, known.names))
			}
		})
	}
}

func (f *filler) fillMap(n *node, v reflect.Value) {
	if n.kind == null {
		v.SetZero()
		return
	}
	if n.kind != object {
		f.wrong(n, "an object")
		return
	}
	if v.IsNil() {
		v.Set(reflect.MakeMapWithSize(v.Type(), len(n.children)))
	}
	for i := range n.children {
		c := &n.children[i]
		f.at(field(c.name), func() {
			value := reflect.New(v.Type().Elem()).Elem()
			f.fill(&c.value, value)
			v.SetMapIndex(reflect.ValueOf(c.name).Convert(v.Type().Key()), value)
		})
	}
}

func (f *filler) fillSlice(n *node, v reflect.Value) {
	if n.kind == null {
		v.SetZero()
		return
	}
	if n.kind != array {
		f.wrong(n, "a list")
		return
	}
	list := reflect.MakeSlice(v.Type(), len(n.children), len(n.children))
	for i := range n.children {
		f.at(element(i), func() { f.fill(&n.children[i].value, list.Index(i)) })
	}
	v.Set(list)
}

func (f *filler) fillNumber(n *node, v reflect.Value) {
	want := "a number"
	if v.CanInt() || v.CanUint() {
		want = "a whole number"
	}
	if n.kind != number {
		f.wrong(n, want)
		return
	}
	bits, value := v.Type().Bits(), string(f.raw(n))
	var err error
	switch {
	case v.CanInt():
		var i int64
		i, err = strconv.ParseInt(value, 10, bits)
		v.SetInt(i)
		want = fmt.Sprintf("a whole number from %d to %d", int64(-1)<<(bits-1), int64(1)<<(bits-1)-1)
	case v.CanUint():
		var u uint64
		u, err = strconv.ParseUint(value, 10, bits)
		v.SetUint(u)
		want = fmt.Sprintf("a whole number from 0 to %d", ^uint64(0)>>(64-bits))
	default:
		var x float64
		x, err = strconv.ParseFloat(value, bits)
		v.SetFloat(x)
		want = fmt.Sprintf("a number of %d bits", bits)
	}
	if err != nil {
		f.faults.add(n.start, f.path, fmt.Sprintf("found %s, want %s", strings.Trim(quote(value), `"`), want))
	}
}

// fieldSet is what a struct reads: the place of each field by its JSON name, and the names in the struct's order.
type fieldSet struct {
	index map[string]int
	names []string
}

func fieldsOf(t reflect.Type) fieldSet {
	set := fieldSet{index: map[string]int{}}
	for i := range t.NumField() {
		if name, ok := jsonName(t.Field(i)); ok {
			set.index[name] = i
			set.names = append(set.names, name)
		}
	}
	return set
}

// jsonName is the name that a struct field has in JSON, and whether it has one.
func jsonName(f reflect.StructField) (string, bool) {
	tag := f.Tag.Get("json")
	if !f.IsExported() || tag == "-" {
		return "", false
	}
	if name, _, _ := strings.Cut(tag, ","); name != "" {
		return name, true
	}
	return f.Name, true
}

// targetOf returns the value that into points to, if this package can fill it.
func targetOf(into any) (reflect.Value, error) {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return reflect.Value{}, fmt.Errorf("strictjson: decode into %T: want a pointer that is not nil", into)
	}
	if err := readable(v.Elem().Type(), map[reflect.Type]bool{}); err != nil {
		return reflect.Value{}, fmt.Errorf("strictjson: decode into %T: %w", into, err)
	}
	return v.Elem(), nil
}

// readable says why a type cannot be filled. It is asked before the first byte is read, so that a mistake in a type shows
// in the first test and not with the first document that has the field.
func readable(t reflect.Type, asked map[reflect.Type]bool) error {
	if asked[t] {
		return nil
	}
	asked[t] = true
	if p := reflect.PointerTo(t); p.Implements(reflect.TypeFor[json.Unmarshaler]()) || p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return nil
	}
	switch t.Kind() {
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			tag := f.Tag.Get("json")
			name, options, _ := strings.Cut(tag, ",")
			if f.Anonymous && name == "" {
				return fmt.Errorf("the embedded field %s.%s has no json tag", t, f.Name)
			}
			if _, ok := jsonName(f); !ok {
				continue
			}
			if strings.Contains(","+options+",", ",string,") {
				return fmt.Errorf("the tag of %s.%s has the option string", t, f.Name)
			}
			if err := readable(f.Type, asked); err != nil {
				return fmt.Errorf("%s.%s: %w", t, f.Name, err)
			}
		}
		return nil
	case reflect.Map:
		if k := t.Key(); k.Kind() != reflect.String || reflect.PointerTo(k).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
			return errors.New("the keys of a map must be plain strings")
		}
		return readable(t.Elem(), asked)
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return errors.New("bytes are not read")
		}
		return readable(t.Elem(), asked)
	case reflect.Pointer:
		return readable(t.Elem(), asked)
	case reflect.String, reflect.Bool, reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return nil
	default:
		return fmt.Errorf("values of kind %s are not read", t.Kind())
	}
}
