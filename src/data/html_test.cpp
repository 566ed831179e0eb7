#include "data/html.h"

#include <gtest/gtest.h>

#include <chrono>

namespace nuri::data {
namespace {

TEST(Html, VisibleTextOnly) {
  EXPECT_EQ(html_text("<html><head><title>t</title><style>p{}</style></head><body><p>One <b>two</b>\n three</p>"
                      "<script>if (a < b) alert('<p>no</p>')</script><p>Four</p></body></html>"),
            "One two three\n\nFour");
  EXPECT_EQ(html_text("<ul><li>a</li><li>b<br>c</li></ul>end"), "a\nb\nc\n\nend");
  EXPECT_EQ(html_text("<table><tr><th>h</th><td>1</td></tr><tr><td>2</td><td>3</td></tr></table>"), "h 1\n2 3");
  EXPECT_EQ(html_text("x<!-- <p>no</p> -->y<![CDATA[ <z> ]]>"), "xy <z>");
  EXPECT_EQ(html_text("<?xml version='1.0'?><!DOCTYPE html><p>a</p>"), "a");
}

TEST(Html, NavigationIsLeftOut) {
  EXPECT_EQ(html_text("<div class=\"navheader\"><div>x</div><table><tr><td>y</td></tr></table></div><p>text</p>"),
            "text");
  EXPECT_EQ(html_text("<nav><nav>x</nav>y</nav>text<div role='navigation'>z</div>"), "text");
  EXPECT_EQ(html_text("<header>menu</header><article><header>Title</header>body</article><footer>f</footer>"),
            "Titlebody");
  EXPECT_EQ(html_text("<p class='canvas navy-blue'>hidden by its class</p><p class='anav'>kept</p>"), "kept");
}

TEST(Html, UnclosedParts) {
  EXPECT_EQ(html_text("<head><title>never closed<body><p>text"), "");  // a title without an end swallows the page
  EXPECT_EQ(html_text("<head><meta charset=utf-8><body><p>text"), "text");
  EXPECT_EQ(html_text("<p>a<script>b"), "a");
  EXPECT_EQ(html_text("a < b and 3<4 <3"), "a < b and 3<4 <3");
  EXPECT_EQ(html_text("a<p class='unfinished"), "a");
  EXPECT_EQ(html_text("<"), "<");
  EXPECT_EQ(html_text("</"), "</");
  EXPECT_EQ(html_text(""), "");
  EXPECT_EQ(html_text("<img alt='>' src=x>text<input value=\"<p>\">more"), "textmore");
}

TEST(Html, Preformatted) {
  EXPECT_EQ(html_text("<p>run:</p><pre>\nfor i:\n    x = 1\n\n    y\n</pre>done"),
            "run:\n\nfor i:\n    x = 1\n\n    y\n\ndone");
}

TEST(Html, CharacterReferences) {
  EXPECT_EQ(unescape_html("&lt;&amp;&gt;&quot;&apos;"), "<&>\"'");
  EXPECT_EQ(unescape_html("&eacute;&alpha;&mdash;&hellip;&euro;"), "éα—…€");
  EXPECT_EQ(unescape_html("&#54620;&#xAE00;&#X41;&#65"), "한글AA");
  EXPECT_EQ(unescape_html("&#128;&#150;"), "€–");  // Windows-1252, as browsers do
  EXPECT_EQ(unescape_html("&#0;&#xD800;&#x110000;&#99999999999999999999;"), "\uFFFD\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(unescape_html("&unknown; & &; &# &#x; a&b &ampx"), "&unknown; & &; &# &#x; a&b &ampx");
  EXPECT_EQ(html_text("<p>a&nbsp;&nbsp;b&shy;c</p>"), "a bc");
}

TEST(Html, LinearTime) {
  std::string page;
  for (int i = 0; i < 200000; ++i) page += "<!-<a><!--x";
  for (int i = 0; i < 200000; ++i) page += "<div class=nav>";
  const auto start = std::chrono::steady_clock::now();
  html_text(page);
  html_text(std::string(2000000, '<'));
  html_text(std::string(2000000, '&'));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

}  // namespace
}  // namespace nuri::data
