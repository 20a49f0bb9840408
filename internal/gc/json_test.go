package gc_test

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/gc"
	"github.com/sreg-project/sreg/internal/gc/gctest"
)

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

func TestAPlanOfNothingHasListsThatAreEmpty(t *testing.T) {
	t.Parallel()
	w := gctest.New(t, options())
	report, err := w.Collector.Run(t.Context(), gc.RunOptions{DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(report)
	if err != nil || strings.Contains(string(text), "null") {
		t.Errorf("got %s and %v, want no null", text, err)
	}
}

// TestAPlanComesOutTheSameEachTime: whoever compares two plans should see what has changed in the store.
func TestAPlanComesOutTheSameEachTime(t *testing.T) {
	t.Parallel()
	opts := options()
	opts.GC.Concurrency = 16
	w := gctest.New(t, opts)
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		w.Play("image " + name + " app base " + name + "x\n image s" + name + " other subject=" + name + " base")
	}
	w.Play("wait 2h")
	var first string
	for range 20 {
		w.Open()
		report, err := w.Collector.Run(t.Context(), gc.RunOptions{DryRun: true})
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(report.Plan)
		if err != nil {
			t.Fatal(err)
		}
		if first == "" {
			first = string(text)
		}
		if string(text) != first {
			t.Fatalf("got %s, then %s", first, text)
		}
	}
}
