package rawjson_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
)

// scalars are spelled so that several mean the same, and others nearly.
func scalars() []string {
	return []string{
		`null`, `true`, `false`, `0`, `-0`, `0.0`, `-0.00`, `1`, `1.0`, `1.10`, `1.1`, `10`, `100`, `1e2`, `1E2`, `-1`, `-1.0`,
		`12345678901234567890`, `12345678901234567891`, `1.` + strings.Repeat("0", 70), `1.` + strings.Repeat("0", 61), `"a"`, `"\u0061"`, `"b"`, `""`, `"1"`, `"/"`, `"\/"`,
		`"\ud800"`, `"\ud801"`, `"\ufffd"`, "\"\xff\"", "\"\xfe\"", `"\ud83d\ude00"`, `"😀"`, `"{}"`,
	}
}

// spellings are JSON texts made of them.
func spellings() *rapid.Generator[string] {
	scalar := rapid.SampledFrom(scalars())
	name := rapid.SampledFrom([]string{`"a"`, `"\u0061"`, `"b"`, `"ab"`, `""`, `"\ud800"`})
	return rapid.Deferred(func() *rapid.Generator[string] {
		return rapid.Custom(func(t *rapid.T) string {
			space := rapid.SampledFrom([]string{"", " ", "\n"}).Draw(t, "space")
			switch rapid.IntRange(0, 4).Draw(t, "form") {
			case 0:
				return space + "[" + strings.Join(rapid.SliceOfN(spellings(), 0, 3).Draw(t, "elements"), space+",") + space + "]"
			case 1:
				var members []string
				for _, v := range rapid.SliceOfN(spellings(), 0, 3).Draw(t, "members") {
					members = append(members, name.Draw(t, "name")+space+":"+v)
				}
				return "{" + strings.Join(members, ","+space) + "}" + space
			}
			return space + scalar.Draw(t, "scalar")
		})
	})
}

// agree says that Digest and Diff give the same verdict on a and b, and which.
func agree(t interface{ Fatalf(string, ...any) }, a, b string) (same bool) {
	changes, err := rawjson.Diff([]byte(a), []byte(b))
	if err != nil {
		t.Fatalf("%s %s: %v", a, b, err)
	}
	x, okX := rawjson.Digest([]byte(a))
	y, okY := rawjson.Digest([]byte(b))
	if !okX || !okY || (x == y) != (len(changes) == 0) {
		t.Fatalf("%s and %s: equal digests %t, differences %v", a, b, x == y, changes)
	}
	return x == y
}

func TestDigest_IsTheSameExactlyWhenDiffFindsNoDifference(t *testing.T) {
	t.Parallel()
	same, different := 0, 0
	for _, a := range scalars() {
		for _, b := range scalars() {
			if agree(t, a, b) {
				same++
			} else {
				different++
			}
		}
	}
	if same <= len(scalars()) || different == 0 {
		t.Errorf("of the scalars %d pairs mean the same, %d do not: the test shows nothing", same, different)
	}
	rapid.Check(t, func(t *rapid.T) {
		a := spellings().Draw(t, "a")
		agree(t, a, spellings().Draw(t, "b"))
		var spaced bytes.Buffer
		if err := json.Indent(&spaced, []byte(a), "", "\t"); err != nil {
			t.Fatalf("%s: %v", a, err)
		}
		if !agree(t, a, spaced.String()) {
			t.Fatalf("%s is not what it is with spaces", a)
		}
	})
}

func TestDigest_OfTextThatIsNotJSONIsNone(t *testing.T) {
	t.Parallel()
	for _, text := range []string{``, ` `, `{`, `{} {}`, `01`} {
		if _, ok := rawjson.Digest([]byte(text)); ok {
			t.Errorf("%q", text)
		}
	}
}
