;; Exact farthest points in three dimensions, in float32; farthest.py runs it.
;;
;; Points lie in the buckets of a tree (Han et al. 2023, "QuickFPS"). A bucket whose box is farther from the new point
;; than its own farthest point is from all taken ones cannot change, and is left alone. How the tree is cut, the order
;; of additions and which of equally far points counts are as in fpsample 1.0 (MIT licence): both give the same points.
;;
;; Memory, `s` being 4 bytes a point: planes of x, y, z, distance to the taken points, and the caller's index, at 0, s,
;; 2s, 3s and 4s; then 40 bytes a bucket: its first point and the one after its last, its box (low and high of x, y and
;; z), its farthest point and that one's distance. A point is told by its offset in a plane.
(module
  (memory (export "memory") 1)
  (global $s (mut i32) (i32.const 0))
  (global $buckets (mut i32) (i32.const 0))
  (global $end (mut i32) (i32.const 0)) ;; of the buckets so far

  ;; Write the indices of `count` farthest points to `taken`, which lies after the `2^height` buckets. The first is the
  ;; one at place `start` of the tree.
  (func (export "farthest")
    (param $points i32) (param $count i32) (param $start i32) (param $height i32) (param $taken i32)
    (local $at i32) (local $bucket i32) (local $far f32) (local $stop i32)
    (global.set $s (i32.shl (local.get $points) (i32.const 2)))
    (global.set $buckets (i32.mul (global.get $s) (i32.const 5)))
    (global.set $end (global.get $buckets))
    (call $begin)
    (call $split (i32.const 0) (global.get $s) (local.get $height))
    (local.set $at (i32.shl (local.get $start) (i32.const 2)))
    (local.set $stop (i32.add (local.get $taken) (i32.shl (local.get $count) (i32.const 2))))
    (loop $take
      (i32.store (local.get $taken) (i32.load (i32.add (local.get $at) (i32.shl (global.get $s) (i32.const 2)))))
      (local.set $taken (i32.add (local.get $taken) (i32.const 4)))
      (if (i32.eq (local.get $taken) (local.get $stop)) (then (return)))
      (call $update (local.get $at))
      (local.set $far (f32.const -1))
      (local.set $bucket (global.get $buckets))
      (loop $look
        (if (f32.gt (f32.load offset=36 (local.get $bucket)) (local.get $far))
          (then
            (local.set $far (f32.load offset=36 (local.get $bucket)))
            (local.set $at (i32.load offset=32 (local.get $bucket)))))
        (local.set $bucket (i32.add (local.get $bucket) (i32.const 40)))
        (br_if $look (i32.lt_u (local.get $bucket) (global.get $end))))
      (br $take)))

  ;; Number the points, each infinitely far.
  (func $begin
    (local $at i32)
    (loop $each
      (f32.store (i32.add (local.get $at) (i32.mul (global.get $s) (i32.const 3))) (f32.const inf))
      (i32.store
        (i32.add (local.get $at) (i32.shl (global.get $s) (i32.const 2)))
        (i32.shr_u (local.get $at) (i32.const 2)))
      (local.set $at (i32.add (local.get $at) (i32.const 4)))
      (br_if $each (i32.lt_u (local.get $at) (global.get $s)))))

  ;; Divide the points from `first` to `end` where the mean of their box's longest side is, `height` times more.
  (func $split (param $first i32) (param $end i32) (param $height i32)
    (local $low0 f32) (local $low1 f32) (local $low2 f32) (local $high0 f32) (local $high1 f32) (local $high2 f32)
    (local $plane i32) (local $span f32) (local $mean f32) (local $middle i32)
    (call $extent (local.get $first) (local.get $end))
    (local.set $high0) (local.set $low0)
    (call $extent (i32.add (local.get $first) (global.get $s)) (i32.add (local.get $end) (global.get $s)))
    (local.set $high1) (local.set $low1)
    (local.set $plane (i32.shl (global.get $s) (i32.const 1)))
    (call $extent (i32.add (local.get $first) (local.get $plane)) (i32.add (local.get $end) (local.get $plane)))
    (local.set $high2) (local.set $low2)
    (if (i32.or
          (i32.eqz (local.get $height))
          (i32.eq (i32.sub (local.get $end) (local.get $first)) (i32.const 4)))
      (then
        (i32.store (global.get $end) (local.get $first))
        (i32.store offset=4 (global.get $end) (local.get $end))
        (f32.store offset=8 (global.get $end) (local.get $low0))
        (f32.store offset=12 (global.get $end) (local.get $high0))
        (f32.store offset=16 (global.get $end) (local.get $low1))
        (f32.store offset=20 (global.get $end) (local.get $high1))
        (f32.store offset=24 (global.get $end) (local.get $low2))
        (f32.store offset=28 (global.get $end) (local.get $high2))
        (f32.store offset=36 (global.get $end) (f32.const inf))
        (global.set $end (i32.add (global.get $end) (i32.const 40)))
        (return)))
    (local.set $span (f32.sub (local.get $high0) (local.get $low0)))
    (local.set $plane (i32.const 0))
    (if (f32.gt (f32.sub (local.get $high1) (local.get $low1)) (local.get $span))
      (then
        (local.set $span (f32.sub (local.get $high1) (local.get $low1)))
        (local.set $plane (global.get $s))))
    (if (f32.gt (f32.sub (local.get $high2) (local.get $low2)) (local.get $span))
      (then (local.set $plane (i32.shl (global.get $s) (i32.const 1)))))
    (local.set $mean
      (call $mean (i32.add (local.get $first) (local.get $plane)) (i32.add (local.get $end) (local.get $plane))))
    (local.set $middle (call $part (local.get $first) (local.get $end) (local.get $plane) (local.get $mean)))
    (if (i32.eq (local.get $middle) (local.get $first))
      (then (local.set $middle (i32.add (local.get $first) (i32.const 4)))))
    (if (i32.eq (local.get $middle) (local.get $end))
      (then (local.set $middle (i32.sub (local.get $end) (i32.const 4)))))
    (local.set $height (i32.sub (local.get $height) (i32.const 1)))
    (call $split (local.get $first) (local.get $middle) (local.get $height))
    (call $split (local.get $middle) (local.get $end) (local.get $height)))

  ;; Smallest and largest of the numbers from `at` to `end`.
  (func $extent (param $at i32) (param $end i32) (result f32 f32)
    (local $low f32) (local $high f32)
    (local.set $low (f32.load (local.get $at)))
    (local.set $high (local.get $low))
    (loop $each
      (local.set $low (f32.min (local.get $low) (f32.load (local.get $at))))
      (local.set $high (f32.max (local.get $high) (f32.load (local.get $at))))
      (local.set $at (i32.add (local.get $at) (i32.const 4)))
      (br_if $each (i32.lt_u (local.get $at) (local.get $end))))
    (local.get $low) (local.get $high))

  ;; Their mean, added up one after the other.
  (func $mean (param $at i32) (param $end i32) (result f32)
    (local $first i32) (local $sum f32)
    (local.set $first (local.get $at))
    (loop $each
      (local.set $sum (f32.add (local.get $sum) (f32.load (local.get $at))))
      (local.set $at (i32.add (local.get $at) (i32.const 4)))
      (br_if $each (i32.lt_u (local.get $at) (local.get $end))))
    (f32.div
      (local.get $sum)
      (f32.convert_i32_u (i32.shr_u (i32.sub (local.get $end) (local.get $first)) (i32.const 2)))))

  ;; Bring points that are below `value` in a plane before those that are not; where the latter begin.
  (func $part (param $first i32) (param $end i32) (param $plane i32) (param $value f32) (result i32)
    (loop $swap
      (block $low
        (loop $next
          (br_if $low (i32.ge_u (local.get $first) (local.get $end)))
          (br_if $low
            (i32.eqz (f32.lt (f32.load (i32.add (local.get $first) (local.get $plane))) (local.get $value))))
          (local.set $first (i32.add (local.get $first) (i32.const 4)))
          (br $next)))
      (block $high
        (loop $next
          (br_if $high (i32.ge_u (local.get $first) (local.get $end)))
          (local.set $end (i32.sub (local.get $end) (i32.const 4)))
          (br_if $high (f32.lt (f32.load (i32.add (local.get $end) (local.get $plane))) (local.get $value)))
          (br $next)))
      (if (i32.lt_u (local.get $first) (local.get $end))
        (then
          (call $swap (local.get $first) (local.get $end))
          (local.set $first (i32.add (local.get $first) (i32.const 4)))
          (br $swap))))
    (local.get $first))

  (func $swap (param $one i32) (param $other i32)
    (local $plane i32) (local $kept i32)
    (local.set $plane (i32.const 5))
    (loop $each ;; x, y, z, distance (all alike still) and index
      (local.set $kept (i32.load (local.get $one)))
      (i32.store (local.get $one) (i32.load (local.get $other)))
      (i32.store (local.get $other) (local.get $kept))
      (local.set $one (i32.add (local.get $one) (global.get $s)))
      (local.set $other (i32.add (local.get $other) (global.get $s)))
      (local.set $plane (i32.sub (local.get $plane) (i32.const 1)))
      (br_if $each (local.get $plane))))

  ;; Bring every distance down to the one from this point.
  (func $update (param $at i32)
    (local $x f32) (local $y f32) (local $z f32) (local $bucket i32)
    (local.set $x (f32.load (local.get $at)))
    (local.set $y (f32.load (i32.add (local.get $at) (global.get $s))))
    (local.set $z (f32.load (i32.add (local.get $at) (i32.shl (global.get $s) (i32.const 1)))))
    (local.set $bucket (global.get $buckets))
    (loop $each
      (if (f32.lt
            (call $square
              (call $outside
                (local.get $x) (f32.load offset=8 (local.get $bucket)) (f32.load offset=12 (local.get $bucket)))
              (call $outside
                (local.get $y) (f32.load offset=16 (local.get $bucket)) (f32.load offset=20 (local.get $bucket)))
              (call $outside
                (local.get $z) (f32.load offset=24 (local.get $bucket)) (f32.load offset=28 (local.get $bucket))))
            (f32.load offset=36 (local.get $bucket)))
        (then (call $bucket (local.get $bucket) (local.get $x) (local.get $y) (local.get $z))))
      (local.set $bucket (i32.add (local.get $bucket) (i32.const 40)))
      (br_if $each (i32.lt_u (local.get $bucket) (global.get $end)))))

  (func $square (param $x f32) (param $y f32) (param $z f32) (result f32)
    (f32.add
      (f32.add (f32.mul (local.get $x) (local.get $x)) (f32.mul (local.get $y) (local.get $y)))
      (f32.mul (local.get $z) (local.get $z))))

  ;; How far a number is outside an interval.
  (func $outside (param $value f32) (param $low f32) (param $high f32) (result f32)
    (f32.max
      (f32.max (f32.sub (local.get $value) (local.get $high)) (f32.sub (local.get $low) (local.get $value)))
      (f32.const 0)))

  ;; The same for one bucket, four points at a time, and which of its points is the farthest now (the first of several).
  (func $bucket (param $bucket i32) (param $x f32) (param $y f32) (param $z f32)
    (local $at i32) (local $end i32) (local $y_at i32) (local $z_at i32) (local $distance_at i32)
    (local $xs v128) (local $ys v128) (local $zs v128) (local $dx v128) (local $dy v128) (local $dz v128)
    (local $places v128) (local $within v128) (local $old v128) (local $new v128) (local $above v128)
    (local $far v128) (local $farthest v128)
    (local.set $at (i32.load (local.get $bucket)))
    (local.set $end (i32.load offset=4 (local.get $bucket)))
    (local.set $y_at (global.get $s))
    (local.set $z_at (i32.shl (global.get $s) (i32.const 1)))
    (local.set $distance_at (i32.mul (global.get $s) (i32.const 3)))
    (local.set $xs (f32x4.splat (local.get $x)))
    (local.set $ys (f32x4.splat (local.get $y)))
    (local.set $zs (f32x4.splat (local.get $z)))
    (local.set $places (i32x4.add (i32x4.splat (local.get $at)) (v128.const i32x4 0 4 8 12)))
    (local.set $far (f32x4.splat (f32.const -1)))
    (loop $each
      (local.set $within (i32x4.lt_u (local.get $places) (i32x4.splat (local.get $end))))
      (local.set $dx (f32x4.sub (v128.load (local.get $at)) (local.get $xs)))
      (local.set $dy (f32x4.sub (v128.load (i32.add (local.get $at) (local.get $y_at))) (local.get $ys)))
      (local.set $dz (f32x4.sub (v128.load (i32.add (local.get $at) (local.get $z_at))) (local.get $zs)))
      (local.set $old (v128.load (i32.add (local.get $at) (local.get $distance_at))))
      (local.set $new
        (f32x4.add
          (f32x4.add
            (f32x4.mul (local.get $dx) (local.get $dx))
            (f32x4.mul (local.get $dy) (local.get $dy)))
          (f32x4.mul (local.get $dz) (local.get $dz))))
      (local.set $new (f32x4.pmin (local.get $old) (local.get $new)))
      (local.set $new (v128.bitselect (local.get $new) (local.get $old) (local.get $within)))
      (v128.store (i32.add (local.get $at) (local.get $distance_at)) (local.get $new))
      (local.set $above (v128.and (f32x4.gt (local.get $new) (local.get $far)) (local.get $within)))
      (local.set $far (v128.bitselect (local.get $new) (local.get $far) (local.get $above)))
      (local.set $farthest (v128.bitselect (local.get $places) (local.get $farthest) (local.get $above)))
      (local.set $places (i32x4.add (local.get $places) (i32x4.splat (i32.const 16))))
      (local.set $at (i32.add (local.get $at) (i32.const 16)))
      (br_if $each (i32.lt_u (local.get $at) (local.get $end))))
    ;; The largest of the four, in all lanes; then the smallest place of those that are as far.
    (local.set $new (f32x4.pmax (local.get $far) (call $halves (local.get $far))))
    (local.set $new (f32x4.pmax (local.get $new) (call $pairs (local.get $new))))
    (local.set $places (v128.or (local.get $farthest) (f32x4.ne (local.get $far) (local.get $new))))
    (local.set $places (i32x4.min_u (local.get $places) (call $halves (local.get $places))))
    (local.set $places (i32x4.min_u (local.get $places) (call $pairs (local.get $places))))
    (i32.store offset=32 (local.get $bucket) (i32x4.extract_lane 0 (local.get $places)))
    (f32.store offset=36 (local.get $bucket) (f32x4.extract_lane 0 (local.get $new))))

  ;; Lanes 2 3 0 1.
  (func $halves (param $lanes v128) (result v128)
    (i8x16.shuffle 8 9 10 11 12 13 14 15 0 1 2 3 4 5 6 7 (local.get $lanes) (local.get $lanes)))

  ;; Lanes 1 0 3 2.
  (func $pairs (param $lanes v128) (result v128)
    (i8x16.shuffle 4 5 6 7 0 1 2 3 12 13 14 15 8 9 10 11 (local.get $lanes) (local.get $lanes))))
