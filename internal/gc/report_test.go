package gc_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/gc"
)

func TestADamagedReportIsWrittenAnew(t *testing.T) {
	t.Parallel()
	w := fullWorld(t, options())
	path := filepath.Join(w.Root(), "_gc/report")
	if err := os.WriteFile(path, []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.Open()
	if _, err := w.Collector.LastReport(t.Context()); err == nil || !strings.Contains(err.Error(), "_gc/report") {
		t.Errorf("got %v, want that it names the key", err)
	}
	w.Collect()
	if report, err := w.Collector.LastReport(t.Context()); err != nil || report.Outcome != gc.Done {
		t.Errorf("got %+v and %v, want that of the run", report, err)
	}
}

// TestEveryFieldOfTheJSONIsDocumented compares docs/gc.md with the types that are printed.
func TestEveryFieldOfTheJSONIsDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/gc.md")
	if err != nil {
		t.Fatal(err)
	}
	var look func(typ reflect.Type)
	look = func(typ reflect.Type) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct {
			return
		}
		for i := range typ.NumField() {
			field := typ.Field(i)
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			switch {
			case field.Anonymous:
				look(field.Type)
			case name != "":
				if !strings.Contains(string(page), "`"+name+"`") && !strings.Contains(string(page), `"`+name+`"`) {
					t.Errorf("%s.%s: `%s` is not in docs/gc.md", typ, field.Name, name)
				}
				look(field.Type)
			}
		}
	}
	look(reflect.TypeFor[gc.Report]())
}
