package handler_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestConsole_Folders(t *testing.T) {
	t.Parallel()
	type folders struct {
		Path      string
		Parent    *string
		Folders   []struct{ Name, Path string }
		Truncated bool
	}

	t.Run("are_those_directly_below_a_path", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.backup("factory", "2026-11-22", nil)
		b.backup("factory/before-upgrade", "2026-11-21", nil)
		b.put("factory/notes.txt", "no folder")
		b.put("factory/empty/", "")
		for _, target := range []string{"/folders", "/folders?path=obs://backups/factory", "/folders?path=obs://backups/factory/"} {
			f := decodeConsole[folders](t, b.send("GET", target), 200)
			var got []string
			for _, e := range f.Folders {
				got = append(got, e.Name+" "+e.Path)
			}
			want := []string{"2026-11-22 obs://backups/factory/2026-11-22/", "before-upgrade obs://backups/factory/before-upgrade/", "empty obs://backups/factory/empty/"}
			if !slices.Equal(got, want) || f.Path != "obs://backups/factory/" || f.Parent != nil || f.Truncated {
				t.Errorf("%s: %+v", target, f)
			}
		}
		f := decodeConsole[folders](t, b.send("GET", "/folders?path=obs://backups/factory/before-upgrade/"), 200)
		if len(f.Folders) != 1 || f.Parent == nil || *f.Parent != "obs://backups/factory/" {
			t.Errorf("%+v", f)
		}
		if f := decodeConsole[folders](t, b.send("GET", "/folders?path=obs://backups/factory/empty"), 200); f.Folders == nil || len(f.Folders) != 0 {
			t.Errorf("%+v", f)
		}
	})

	t.Run("outside_of_the_root_are_refused_before_anything_is_listed", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.put("factory-of-others/x/y", "")
		for path, status := range map[string]int{
			"obs://backups": 403, "obs://backups/": 403, "obs://backups//": 403, "obs://backups/factory-of-others/": 403, "obs://other/factory/": 403, "s3a://other/factory": 403,
			"obs://backups/factory/../secret": 400, "obs://backups/factory//x": 400, "obs://backups/factory/.": 400,
			"obs://": 400, "/etc": 400, "factory": 400, "obs://backups/factory/%00": 400, "https://backups/factory": 400,
		} {
			e := decodeConsole[consoleError](t, b.send("GET", "/folders?path="+path), status)
			if want := map[int]string{403: "forbidden", 400: "invalid"}[status]; e.Error.Code != want || !strings.HasPrefix(e.Error.Message, "path: ") {
				t.Errorf("%s: %+v", path, e)
			}
		}
		if n := b.objects.Calls("ListObjects"); n != 0 {
			t.Errorf("%d listings", n)
		}
	})

	t.Run("more_than_an_answer_holds_are_said_to_be_more", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		for i := range 1001 {
			b.put(fmt.Sprintf("factory/f%04d/x", i), "")
		}
		if f := decodeConsole[folders](t, b.send("GET", "/folders"), 200); len(f.Folders) != 1000 || !f.Truncated {
			t.Errorf("%d folders, truncated %v", len(f.Folders), f.Truncated)
		}
	})
}
