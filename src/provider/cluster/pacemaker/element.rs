//! A part of the CIB as a tree of its own: what a change of it needs to address elements and to compare them.

use roxmltree::Node;

use super::patch::escape;

/// One element.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Element {
    pub(super) name: String,
    /// In the order of the text.
    pub(super) attributes: Vec<(String, String)>,
    pub(super) children: Vec<Element>,
}

impl Element {
    /// A copy of an element and all below it.
    pub(super) fn copy(node: Node<'_, '_>) -> Self {
        Self {
            name: node.tag_name().name().to_owned(),
            attributes: node.attributes().map(|a| (a.name().to_owned(), a.value().to_owned())).collect(),
            children: node.children().filter(Node::is_element).map(Self::copy).collect(),
        }
    }

    /// A new element.
    pub(super) fn new<const N: usize>(name: &str, attributes: [(&str, &str); N]) -> Self {
        let attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Self { name: name.to_owned(), attributes, children: Vec::new() }
    }

    /// The same with these below it.
    pub(super) fn with(mut self, children: impl IntoIterator<Item = Self>) -> Self {
        self.children.extend(children);
        self
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn id(&self) -> &str {
        self.attribute("id").unwrap_or_default()
    }

    pub(super) fn named<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a Self> + use<'a, 'n> {
        self.children.iter().filter(move |c| c.name == name)
    }

    /// Itself and everything below it.
    pub(super) fn everything(&self) -> Box<dyn Iterator<Item = &Self> + '_> {
        Box::new(std::iter::once(self).chain(self.children.iter().flat_map(Self::everything)))
    }

    /// Whether it says the same: the order of attributes means nothing.
    pub(super) fn same(&self, other: &Self) -> bool {
        let sorted = |e: &Self| {
            let mut attributes = e.attributes.clone();
            attributes.sort();
            attributes
        };
        let alike = self.name == other.name && self.children.len() == other.children.len();
        alike && sorted(self) == sorted(other) && self.children.iter().zip(&other.children).all(|(a, b)| a.same(b))
    }

    /// As XML.
    pub(super) fn xml(&self) -> String {
        let mut text = format!("<{}", self.name);
        for (name, value) in &self.attributes {
            text += &format!(r#" {name}="{}""#, escape(value));
        }
        if self.children.is_empty() {
            return text + "/>";
        }
        text += ">";
        for child in &self.children {
            text += &child.xml();
        }
        text + &format!("</{}>", self.name)
    }
}

#[cfg(test)]
mod tests {
    use roxmltree::Document;

    use super::*;

    fn read(text: &str) -> Element {
        Element::copy(Document::parse(text).expect("XML").root_element())
    }

    #[test]
    fn what_is_written_is_read_again() {
        let text = r#"<a x="1 &lt; &quot;2&quot;"><b id="i"/><c/></a>"#;
        assert_eq!(read(text).xml(), text);
        assert_eq!(read(&read(text).xml()), read(text));
    }

    #[test]
    fn the_order_of_attributes_means_nothing_and_that_of_elements_does() {
        assert!(read(r#"<a x="1" y="2"/>"#).same(&read(r#"<a y="2" x="1"/>"#)));
        assert!(!read("<a><b/><c/></a>").same(&read("<a><c/><b/></a>")));
        assert!(!read(r#"<a x="1"/>"#).same(&read(r#"<a x="2"/>"#)));
    }
}
