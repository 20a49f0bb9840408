package policy

import (
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
)

// The words of a rule about what is kept.
var imageWords = newObjectType("image",
	textField("tag", "the tag; null for what has none", func(i *Image) string { return i.Tag }),
	numberField("pushed_at", "when it was pushed, in seconds since the epoch", func(i *Image) int64 { return i.PushedAt }),
	numberField("last_pulled_at", "when it was pulled last, in seconds since the epoch; 0 = never", func(i *Image) int64 { return i.LastPulledAt }),
	numberField("size", "the bytes of the manifest and of all that it names", func(i *Image) int64 { return i.Size }),
	textField("media_type", "the media type of the manifest", func(i *Image) string { return i.MediaType }),
	listField("platforms", "the platforms of an index, such as linux/amd64", func(i *Image) []string { return i.Platforms }),
	field{
		"annotations", types.NewMapType(types.StringType, types.StringType), "the annotations of the manifest",
		from(func(i *Image) ref.Val { return types.NewStringStringMap(types.DefaultTypeAdapter, i.Annotations) }),
	},
)

func numberField[T any](name, doc string, get func(*T) int64) field {
	return field{name, types.IntType, doc, from(func(source *T) ref.Val { return types.Int(get(source)) })}
}
