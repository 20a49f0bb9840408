package s3_test

import (
	"bytes"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/sreg-project/sreg/internal/bytesize"
	"github.com/sreg-project/sreg/internal/storage/s3/s3test"
)

// BenchmarkUpload is what a push of a blob costs beside the registry's own work, by 16 clients at once.
func BenchmarkUpload(b *testing.B) {
	cfg := s3test.Config(b)
	cfg.PartSize, cfg.UploadMemory = 16*bytesize.MiB, 512*bytesize.MiB
	s := create(b, cfg)
	var n atomic.Int64
	for _, size := range []int{1000, mib, 20 * mib} {
		data := noise(size)
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			b.SetParallelism(8)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					id := fmt.Sprint("u", n.Add(1))
					must(b, s.CreateUpload(b.Context(), id, nil))
					u, err := s.OpenUpload(b.Context(), id)
					must(b, err)
					_, err = u.Append(b.Context(), &sized{Reader: bytes.NewReader(data), left: int64(size)})
					must(b, err)
					_, err = u.Commit(b.Context(), "blobs/"+id)
					must(b, err)
					_, err = u.Finish(b.Context())
					must(b, err)
					must(b, u.Close())
				}
			})
		})
	}
}
