// A page to draw on with Cairo, saved as PNG or SVG.
#pragma once

#include <cairo.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace oddity {

struct Colour {
  double red, green, blue;
  double opacity = 1;
};

/// 0xE24A33 → its red, green and blue.
constexpr Colour colour(uint32_t rgb, double opacity = 1) {
  return {(rgb >> 16 & 0xFF) / 255.0, (rgb >> 8 & 0xFF) / 255.0, (rgb & 0xFF) / 255.0, opacity};
}

struct Point {
  double x, y;
};

struct Box {
  double left, top, width, height;
  double right() const { return left + width; }
  double bottom() const { return top + height; }
};

/// Where a text lies at its point.
enum class Align { left, centre, right };

enum class PictureFormat { png, svg };

/// A page of width × height, the origin at its top left, its unit a hundredth of an inch (as
/// matplotlib's default figure has); y grows downwards. PNG has two pixels a unit.
class Canvas {
 public:
  Canvas(PictureFormat format, double width, double height);

  void fill(const Box& box, Colour colour);
  /// A rounded box with a thin border.
  void frame(const Box& box, double radius, Colour inside, Colour border);
  void line(Point from, Point to, double width, Colour colour);
  /// A dot with its centre at `centre`.
  void dot(Point centre, double radius, Colour colour);
  /// A line through `count` points, drawn only within `clip`.
  void curve(const Point* points, size_t count, double width, Colour colour, const Box& clip);
  /// `text` on one line; its base line runs through `at`.
  void text(std::string_view text, Point at, double size, Colour colour, Align align);
  /// The same, written upwards.
  void text_upwards(std::string_view text, Point at, double size, Colour colour, Align align);
  double text_width(std::string_view text, double size);

  /// Writes the page whole or not at all. The canvas is of no more use afterwards. Throws Error
  /// where the file cannot be written.
  void save(const std::filesystem::path& path);

 private:
  void set(Colour colour);
  void check() const;
  void save_png(const std::filesystem::path& path);
  void save_svg(const std::filesystem::path& path);

  PictureFormat format_;
  std::string svg_;  // filled by Cairo while the surface finishes
  std::unique_ptr<cairo_surface_t, decltype(&cairo_surface_destroy)> surface_;
  std::unique_ptr<cairo_t, decltype(&cairo_destroy)> cairo_;
};

}  // namespace oddity
