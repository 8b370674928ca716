package rawjson_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
)

// spellings are JSON texts of which several mean the same, and others nearly.
func spellings() *rapid.Generator[string] {
	scalar := rapid.SampledFrom([]string{`null`, `true`, `false`, `0`, `-0`, `0.0`, `-0.00`, `1`, `1.0`, `1.10`, `1.1`, `10`, `100`, `1e2`, `1E2`, `-1`, `-1.0`,
		`12345678901234567890`, `12345678901234567891`, `1.` + strings.Repeat("0", 70), `1.` + strings.Repeat("0", 61), `"a"`, `"\u0061"`, `"b"`, `""`, `"1"`, `"/"`, `"\/"`,
		`"\ud800"`, `"\ud801"`, `"\ufffd"`, "\"\xff\"", "\"\xfe\"", `"\ud83d\ude00"`, `"😀"`, `"{}"`})
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

func TestDigest_IsTheSameExactlyWhenDiffFindsNoDifference(t *testing.T) {
	t.Parallel()
	same, different := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		a, b := []byte(spellings().Draw(t, "a")), []byte(spellings().Draw(t, "b"))
		changes, err := rawjson.Diff(a, b)
		if err != nil {
			t.Fatalf("%s %s: %v", a, b, err)
		}
		x, okX := rawjson.Digest(a)
		y, okY := rawjson.Digest(b)
		if !okX || !okY || (x == y) != (len(changes) == 0) {
			t.Fatalf("%s and %s: equal digests %t, differences %v", a, b, x == y, changes)
		}
		if x == y {
			same++
		} else {
			different++
		}
	})
	if same == 0 || different == 0 {
		t.Errorf("%d pairs mean the same, %d do not: the test shows nothing", same, different)
	}
}

func TestDigest_OfTextThatIsNotJSONIsNone(t *testing.T) {
	t.Parallel()
	for _, text := range []string{``, ` `, `{`, `{} {}`, `01`} {
		if _, ok := rawjson.Digest([]byte(text)); ok {
			t.Errorf("%q", text)
		}
	}
}
