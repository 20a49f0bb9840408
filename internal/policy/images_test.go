package policy

import (
	"fmt"
	"strings"
	"testing"
)

func TestWhatOneImageOfManyKeepsIt(t *testing.T) {
	t.Parallel()
	global, err := NewCompiler().Keep(Global, rules("image.annotations['keep'] == 'yes'", "'linux/arm64' in image.platforms"))
	must(t, err)
	hub, err := NewCompiler().Keep("hub", rules("image.size < 10", "top_pushed(1)"))
	must(t, err)
	images := []Image{
		{Tag: "a", PushedAt: 5, Size: 5, Annotations: map[string]string{}},
		{Tag: "b", PushedAt: 5, Size: 50, Annotations: map[string]string{"keep": "no"}},
		{Tag: "c", PushedAt: 1, Size: 50, Annotations: map[string]string{"keep": "no"}},
		{Tag: "d", PushedAt: 1, Size: 50, Annotations: map[string]string{"keep": "yes"}},
		{Tag: "e", PushedAt: 1, Size: 50, Annotations: map[string]string{"keep": "no"}, Platforms: []string{"linux/arm64"}},
	}
	var got []string
	for i, d := range decideAll(images, global, hub) {
		got = append(got, fmt.Sprintf("%s %t %s %d", images[i].Tag, d.Kept, d.Rule, len(d.Failed)))
	}
	want := "a true global/1 1, b false  0, c false  0, d true global/1 0, e true global/2 0"
	if strings.Join(got, ", ") != want {
		t.Errorf("got %s\nwant %s", strings.Join(got, ", "), want)
	}
	for _, d := range decideAll(images) {
		if !d.Kept {
			t.Error("goes without any rule, want that all stay")
		}
	}
}

// decideAll are the decisions about all images.
func decideAll(images []Image, sets ...*Keep) []KeepDecision {
	among := NewImages(unix(goldenNow), images)
	decisions := make([]KeepDecision, len(images))
	for i := range images {
		decisions[i] = among.Decide(i, sets...)
	}
	return decisions
}
